/**
 * The settings of a NATS connection as the client wants them. Secrets, credentials and certificates
 * are read here, for each attempt anew, so that what was rotated on disk is used.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { JetStreamOptions } from "@nats-io/jetstream";
import { DeliveryError } from "../errors.ts";
import type { NatsAuth, NatsSettings } from "../settings.ts";
import { describeFailure } from "./failure.ts";

export const NATS_DEFAULTS = {
  timeoutMs: 5_000,
  reconnectWaitMs: 2_000,
  reconnectMaxWaitMs: 60_000,
  pingIntervalMs: 30_000,
  maxPingsOut: 2,
} as const;

/** A server to dial. */
export interface NatsServerAddress {
  /** As configured or gossiped: `nats://host:4222`, `10.1.1.1:4222`. */
  readonly url: string;
  /** The name a gossiped address is checked against, since clusters gossip addresses. */
  readonly tlsName?: string | undefined;
}

/** What an attempt was made with. */
export interface NatsCredentials {
  readonly authenticator: Authenticator | undefined;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** A digest: differs when something was rotated. */
  readonly fingerprint: string;
}

/** What is wrong with settings that can never work; `undefined` if nothing. */
export function natsSettingsProblem(settings: NatsSettings): string | undefined {
  if (settings.servers.length === 0) return "no NATS server is given";
  for (const server of settings.servers) {
    if (/^wss?:/i.test(server)) return `${server}: WebSocket is not supported`;
    if (/^[a-z]+:\/\//i.test(server) && !/^(?:nats|tls):\/\//i.test(server)) {
      return `${server}: the scheme must be nats or tls`;
    }
    if (server.includes("@")) return "put credentials into `auth`, not into the server's URL";
    if (!URL.canParse(`http://${server.replace(/^[a-z]+:\/\//i, "")}`)) {
      return `${server}: not a host and port`;
    }
  }
  if ((settings.tls?.cert === undefined) !== (settings.tls?.key === undefined)) {
    return "`tls.cert` and `tls.key` need each other";
  }
  if (settings.domain !== undefined && settings.apiPrefix !== undefined) {
    return "`domain` and `apiPrefix` exclude each other";
  }
  if (
    settings.inboxPrefix !== undefined && !/^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(settings.inboxPrefix)
  ) {
    return "`inboxPrefix` must be a subject without wildcards";
  }
  return undefined;
}

/**
 * Reads everything secret that a connection needs.
 *
 * @throws {DeliveryError} `auth`, naming what could not be read, never its content.
 */
export function readCredentials(settings: NatsSettings): NatsCredentials {
  const hash = createHash("sha256");
  const note = (text: string): string => {
    hash.update(`${text.length}:`).update(text);
    return text;
  };
  const read = (path: string): string => note(readFileSync(path, "utf8"));
  const secret = (one: () => string): string => note(one().trim());
  try {
    const authenticator = authenticatorOf(settings.auth ?? { kind: "none" }, read, secret);
    // Signing something tells at once whether seed and JWT can be used.
    authenticator?.("probe");
    const { ca, cert, key } = settings.tls ?? {};
    return {
      authenticator,
      tls: {
        ...(ca === undefined ? {} : { ca: read(ca) }),
        ...(cert === undefined ? {} : { cert: read(cert) }),
        ...(key === undefined ? {} : { key: read(key) }),
      },
      fingerprint: hash.digest("hex"),
    };
  } catch (cause) {
    throw new DeliveryError("auth", `Cannot use NATS credentials: ${describeFailure(cause)}`, {
      cause,
    });
  }
}

function authenticatorOf(
  auth: NatsAuth,
  read: (path: string) => string,
  secret: (one: () => string) => string,
): Authenticator | undefined {
  const bytes = (text: string) => new TextEncoder().encode(text);
  switch (auth.kind) {
    case "none":
      return undefined;
    case "creds":
      return credsAuthenticator(bytes(`${read(auth.file).replaceAll("\r", "")}\n`));
    case "token":
      return tokenAuthenticator(secret(auth.token));
    case "user":
      return usernamePasswordAuthenticator(auth.user, secret(auth.password));
    case "nkey":
      return nkeyAuthenticator(bytes(secret(auth.seed)));
    case "jwt":
      return jwtAuthenticator(read(auth.jwtFile).trim(), bytes(secret(auth.seed)));
  }
}

/** Options of one attempt at one server; the client never reconnects by itself. */
export function connectionOptions(
  settings: NatsSettings,
  server: NatsServerAddress,
  credentials: NatsCredentials,
): ConnectionOptions {
  const tls = tlsOptions(settings, server, credentials);
  return {
    servers: [server.url.replace(/^tls:/i, "nats:")],
    name: settings.name ?? "picket",
    timeout: settings.timeoutMs ?? NATS_DEFAULTS.timeoutMs,
    pingInterval: settings.pingIntervalMs ?? NATS_DEFAULTS.pingIntervalMs,
    maxPingOut: settings.maxPingsOut ?? NATS_DEFAULTS.maxPingsOut,
    reconnect: false,
    ignoreAuthErrorAbort: true,
    // Stacks for each request cost more than the request.
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...(settings.inboxPrefix === undefined ? {} : { inboxPrefix: settings.inboxPrefix }),
    ...(credentials.authenticator === undefined
      ? {}
      : { authenticator: credentials.authenticator }),
  };
}

function tlsOptions(
  settings: NatsSettings,
  server: NatsServerAddress,
  credentials: NatsCredentials,
): ConnectionOptions["tls"] | undefined {
  const wanted = settings.tls;
  if (wanted === undefined && !/^tls:/i.test(server.url)) return undefined;
  const host = hostOf(server.url);
  const name = wanted?.serverName ?? (isIP(host) === 0 ? undefined : server.tlsName);
  // The client hands on to `node:tls` what it does not know itself.
  const options: NonNullable<ConnectionOptions["tls"]> & NodeTlsOptions = {
    ...credentials.tls,
    ...(wanted?.first === true ? { handshakeFirst: true } : {}),
    ...(wanted?.insecure === true ? { rejectUnauthorized: false } : {}),
    minVersion: "TLSv1.2",
    // Without a name an address would be checked against `localhost`.
    ...(name !== undefined ? { servername: name } : isIP(host) === 0 ? {} : { host }),
  };
  return options;
}

interface NodeTlsOptions {
  readonly minVersion: "TLSv1.2";
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
  readonly host?: string;
}

/** `nats://[::1]:4222` to `::1`. */
export function hostOf(url: string): string {
  const host = new URL(`http://${url.replace(/^[a-z]+:\/\//i, "")}`).hostname;
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

/** How to reach JetStream; a new object each time, since the client changes it. */
export function jetStreamOptions(settings: NatsSettings): JetStreamOptions {
  return {
    timeout: settings.timeoutMs ?? NATS_DEFAULTS.timeoutMs,
    ...(settings.domain === undefined ? {} : { domain: settings.domain }),
    ...(settings.apiPrefix === undefined ? {} : { apiPrefix: settings.apiPrefix }),
  };
}
