/**
 * Sources and sinks on one line: `--input`, `--output`, and texts in the lists of the configuration.
 *
 * Behind `?` stand further keys of the same source or sink: `file:///var/log/x?start_at=start`.
 *
 * @see delivery.md, sections 3.1 and 8.1
 */
import { nearest } from "../../sigma/suggest.ts";
import { ConfigError } from "./problems.ts";
import type { ConfigValue, Origin } from "./tree.ts";

/** A source or sink in the words of the configuration, and what of the text means nothing here. */
export interface SpecResult {
  readonly value: { readonly [key: string]: ConfigValue | undefined };
  readonly warnings: readonly string[];
}

const SOURCE_SCHEMES = ["stdin", "http", "otlp", "nats", "tls", "unix", "file", "evtx", "journald"];
const SINK_SCHEMES = [
  "stdout",
  "file",
  "nats",
  "tls",
  "unix",
  "http",
  "https",
  "otlphttp",
  "otlphttps",
];

/**
 * A source from `stdin`, `http`, `otlp`, `journald`, `evtx:CHANNEL`, `nats://HOST:PORT/SUBJECT`,
 * `unix:///PATH`, `file://PATH`, or a path.
 *
 * @throws {ConfigError} `CONFIG_INVALID`
 */
export function parseSourceSpec(text: string, origin: Origin = { kind: "flag" }): SpecResult {
  const { base, pairs } = splitSpec(text);
  const value = sourceValue(base, (message, suggestion) => fail(message, suggestion, origin));
  return { value: { ...value, ...scalars(pairs, origin) }, warnings: [] };
}

function sourceValue(base: string, wrong: Wrong): SpecResult["value"] {
  const { scheme, rest } = splitScheme(base);
  switch (scheme) {
    case "stdin":
    case "http":
    case "otlp":
    case "journald":
      if (rest !== "") throw wrong(`nothing may stand behind '${scheme}'`);
      return { type: scheme };
    case "nats":
    case "tls": {
      const { server, subject } = splitNats(scheme, rest, wrong);
      return { type: "nats", nats: { servers: [server] }, subjects: [subject] };
    }
    case "unix":
      return { type: "unix", path: needPath(scheme, rest, wrong) };
    case "file":
      return { type: "file", paths: [needPath(scheme, rest, wrong)] };
    case "evtx":
      return { type: "evtx", channels: [needPath(scheme, rest, wrong)] };
    case undefined:
      if (/\.evtx$/i.test(base)) return { type: "evtx", channels: [base] };
      if (isPath(base)) return { type: "file", paths: [base] };
      throw unsupported("input source", base, SOURCE_SCHEMES, wrong);
    default:
      throw unsupported("input source", scheme, SOURCE_SCHEMES, wrong);
  }
}

/**
 * A sink from `stdout`, `file://PATH`, `nats://HOST:PORT/SUBJECT`, `unix:///PATH`, `https://…`,
 * `otlphttp://HOST:PORT`, or a path. `on_full` of rsigma has nothing to decide here: alerts wait on disk.
 *
 * @throws {ConfigError} `CONFIG_INVALID`
 */
export function parseSinkSpec(text: string, origin: Origin = { kind: "flag" }): SpecResult {
  const wrong: Wrong = (message, suggestion) => fail(message, suggestion, origin);
  const { scheme } = splitScheme(text);
  // The query of an HTTP address belongs to the address.
  if (scheme === "http" || scheme === "https") {
    return { value: { type: "http", url: text }, warnings: [] };
  }
  const { base, pairs } = splitSpec(text);
  const value = sinkValue(base, wrong);
  const warnings: string[] = [];
  const isOtlp = value.type === "otlp";
  const kept = pairs.filter(([key, written]) => {
    if (key === "format") {
      if (pairs.filter(([name]) => name === "format").length > 1) {
        throw wrong("parameter 'format' may be specified only once");
      }
      if (isOtlp) throw wrong("parameter 'format' is not supported on OTLP sinks");
      if (written === "ocsf") {
        throw wrong("sink format 'ocsf' is not supported by this version", "only ndjson is");
      }
      if (written !== "ndjson") throw wrong("unknown sink format", "the format is ndjson");
      return false;
    }
    if (key !== "on_full") return true;
    if (written === "drop") {
      warnings.push("on_full=drop has no effect: alerts wait on disk, see outbox.on_full");
    } else if (written !== "block") {
      warnings.push(
        "on_full is unknown and has no effect: alerts wait on disk, see outbox.on_full",
      );
    }
    return false;
  });
  const keys = scalars(kept, origin);
  return { value: { ...value, ...isOtlp ? otlpKeys(keys) : keys }, warnings };
}

function sinkValue(base: string, wrong: Wrong): SpecResult["value"] {
  const { scheme, rest } = splitScheme(base);
  switch (scheme) {
    case "stdout":
      if (rest !== "") throw wrong("nothing may stand behind 'stdout'");
      return { type: "stdout" };
    case "file":
      return { type: "file", path: needPath(scheme, rest, wrong) };
    case "unix":
      return { type: "unix", path: needPath(scheme, rest, wrong) };
    case "nats":
    case "tls": {
      const { server, subject } = splitNats(scheme, rest, wrong);
      return { type: "nats", nats: { servers: [server] }, subject };
    }
    case "otlphttp":
    case "otlphttps":
      if (rest === "") throw wrong(`a host is missing behind '${scheme}://'`);
      return { type: "otlp", endpoint: `${scheme.slice("otlp".length)}://${rest}` };
    case "otlp":
    case "otlps": {
      const instead = scheme === "otlp" ? "otlphttp" : "otlphttps";
      throw wrong(
        "OTLP over gRPC is not supported for sinks",
        `use ${instead}://HOST:4318, which every collector takes as well`,
      );
    }
    case undefined:
      if (isPath(base)) return { type: "file", path: base };
      throw unsupported("output sink", base, SINK_SCHEMES, wrong);
    default:
      throw unsupported("output sink", scheme, SINK_SCHEMES, wrong);
  }
}

/** rsigma's parameters of OTLP sinks, and where they stand in ours. */
const OTLP_TLS: Readonly<Record<string, string>> = {
  ca: "ca",
  client_cert: "cert",
  client_key: "key",
  tls_domain: "server_name",
};

function otlpKeys(keys: { readonly [key: string]: ConfigValue }): SpecResult["value"] {
  const { compression, ...others } = keys;
  const values: Record<string, ConfigValue> = {};
  const tls: Record<string, ConfigValue> = {};
  for (const [key, value] of Object.entries(others)) {
    const name = OTLP_TLS[key];
    if (name === undefined) values[key] = value;
    else tls[name] = value;
  }
  if (compression !== undefined) values.gzip = compression === "gzip";
  return Object.keys(tls).length === 0 ? values : { ...values, tls };
}

type Wrong = (message: string, suggestion?: string) => ConfigError;

function fail(message: string, suggestion: string | undefined, origin: Origin): ConfigError {
  return new ConfigError("CONFIG_INVALID", [{
    severity: "error",
    path: "",
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
    origin,
  }]);
}

function unsupported(
  what: string,
  name: string,
  known: readonly string[],
  wrong: Wrong,
): ConfigError {
  // The text itself may hold a password in a URL; only what looks like a word is repeated.
  const shown = /^[\w.+-]{1,40}$/.test(name) ? ` '${name}'` : "";
  const near = nearest(name, known);
  return wrong(
    `unsupported ${what}${shown}`,
    near === undefined ? `known: ${known.join(", ")}` : `did you mean '${near}'?`,
  );
}

/** `BASE?key=value&key=value`; the first `?` splits, and nothing is percent-decoded. */
export function splitSpec(
  text: string,
): { readonly base: string; readonly pairs: readonly (readonly [string, string])[] } {
  const at = text.indexOf("?");
  // A `?` without `=` behind it is a wildcard: `/var/log/app?.log`.
  if (at < 0 || (isPath(text.slice(0, at)) && !text.slice(at).includes("="))) {
    return { base: text, pairs: [] };
  }
  const pairs = text.slice(at + 1).split("&").filter((part) => part !== "").map((part) => {
    const [key, ...rest] = part.split("=");
    return [key!, rest.join("=")] as const;
  });
  return { base: text.slice(0, at), pairs };
}

function splitScheme(base: string): { readonly scheme: string | undefined; readonly rest: string } {
  const match = /^([A-Za-z][A-Za-z0-9+-]+):(?:\/\/)?(.*)$/s.exec(base);
  if (match !== null) return { scheme: match[1]!.toLowerCase(), rest: match[2]! };
  const word = base.toLowerCase();
  return /^(?:stdin|stdout|http|otlp|journald)$/.test(word)
    ? { scheme: word, rest: "" }
    : { scheme: undefined, rest: base };
}

/** Whether a text without a scheme is meant as a path: `C:\logs\a.log` is, `stdim` is not. */
function isPath(text: string): boolean {
  return /[/\\]|^[A-Za-z]:|^[.~]|\.[A-Za-z0-9]{1,8}$/.test(text);
}

function needPath(scheme: string, rest: string, wrong: Wrong): string {
  if (rest === "") throw wrong(`a path is missing behind '${scheme}://'`);
  return rest;
}

/** No `/` at all means every subject, as in rsigma. */
function splitNats(
  scheme: string,
  rest: string,
  wrong: Wrong,
): { readonly server: string; readonly subject: string } {
  const slash = rest.indexOf("/");
  const host = slash < 0 ? rest : rest.slice(0, slash);
  const subject = slash < 0 ? ">" : rest.slice(slash + 1);
  if (host === "") throw wrong(`a server is missing behind '${scheme}://'`);
  if (subject === "") throw wrong("the subject behind the server is empty");
  return { server: `${scheme}://${host}`, subject };
}

/** Parameters as keys: `pretty=true` is a boolean, `max_in_flight=8` a number. */
function scalars(
  pairs: readonly (readonly [string, string])[],
  origin: Origin,
): { readonly [key: string]: ConfigValue } {
  const values: Record<string, ConfigValue> = {};
  for (const [key, written] of pairs) {
    if (!/^[a-z][a-z_]*$/.test(key)) throw fail("a parameter is not a key", undefined, origin);
    if (key in values) throw fail(`parameter '${key}' is there twice`, undefined, origin);
    values[key] = scalar(written);
  }
  return values;
}

function scalar(written: string): ConfigValue {
  if (written === "true" || written === "false") return written === "true";
  return /^(?:0|[1-9][0-9]{0,14})$/.test(written) ? Number(written) : written;
}
