/**
 * Whether each sink can be reached, without delivering anything.
 */
import { DeliveryError } from "../../runtime/errors.ts";
import type { Sink } from "../../runtime/plugin.ts";
import type { SinkSettings } from "../../runtime/settings.ts";
import { freeBytes, writeProblem } from "./files.ts";
import { type Check, fail, type Judgement, messageOf, pass, warn } from "./finding.ts";

/** Shorter than a check may take, so that the sink can say what it was waiting for. */
const REACH_MS = 3000;
const LOW_BYTES = 64 * 2 ** 20;

export function sinkCheck(settings: SinkSettings, make: (settings: SinkSettings) => Sink): Check {
  return {
    name: `sink ${settings.id}`,
    async run(signal) {
      // The probe of a file sink would make the file.
      if (settings.type === "file") return [file(settings.path)];
      const sink = make(patient(settings));
      try {
        await sink.probe?.(signal);
        return [pass(`${whereTo(settings)} can be reached`)];
      } catch (error) {
        return [fail(`${whereTo(settings)}: ${reasonOf(error)}`, fixFor(settings, error))];
      } finally {
        void sink[Symbol.asyncDispose]();
      }
    },
  };
}

function file(path: string): Judgement {
  const problem = writeProblem(path);
  if (problem !== undefined) {
    return fail(problem, "give the directory to the service's user, or choose another path");
  }
  const free = freeBytes(path);
  return free !== undefined && free < LOW_BYTES
    ? warn(`${path}: only ${Math.floor(free / 2 ** 20)} MiB free`, "make room on that disk")
    : pass(`${path} is writable`);
}

function patient(settings: SinkSettings): SinkSettings {
  switch (settings.type) {
    case "nats":
      return {
        ...settings,
        nats: {
          ...settings.nats,
          timeoutMs: Math.min(settings.nats.timeoutMs ?? REACH_MS, REACH_MS),
        },
      };
    case "http":
    case "otlp":
      return {
        ...settings,
        connectTimeoutMs: Math.min(settings.connectTimeoutMs ?? REACH_MS, REACH_MS),
      };
    case "file":
    case "stdout":
    case "unix":
      return settings;
  }
}

function whereTo(settings: SinkSettings): string {
  switch (settings.type) {
    case "nats":
      return settings.nats.servers.join(", ");
    case "http":
      return originOf(settings.url);
    case "otlp":
      return originOf(settings.endpoint);
    case "unix":
    case "file":
      return settings.path;
    case "stdout":
      return "standard output";
  }
}

/** What the sink says, without what the line says already. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^(?:Cannot deliver to [^:]+|(?:http|otlp) sink [^:]+): /, "")
    .replace("no connection yet", `no answer within ${REACH_MS / 1000} s`);
}

/** Paths and queries of webhooks are often secrets. */
function originOf(url: string): string {
  return /^[a-z]+:\/\/[^/?#@]*(?=[/?#]|$)/i.exec(url)?.[0] ?? "its URL";
}

function fixFor(settings: SinkSettings, error: unknown): string {
  const failure = error instanceof DeliveryError ? error.failure : "transient";
  switch (failure) {
    case "auth":
      return settings.type === "nats"
        ? "check nats.auth and nats.tls, and what the user may publish"
        : "check the credentials and certificates of the sink";
    case "config":
      return settings.type === "nats"
        ? `make a stream that takes ${settings.subject}, or set stream.create: true`
        : "check the sink's address, and egress if it is denied";
    case "poison":
    case "transient":
      return settings.type === "unix"
        ? "start what listens there"
        : "check address, DNS, proxy and firewall; alerts wait in the outbox meanwhile";
  }
}
