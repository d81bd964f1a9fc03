/**
 * NATS and TLS settings, and where their secrets are.
 *
 * @see delivery.md, section 20.9
 */
import type {
  EgressSettings,
  NatsAuth,
  NatsSettings,
  Secret,
  TlsSettings,
} from "../../runtime/settings.ts";
import type { CheckedNats } from "./schema.ts";
import { type Environment, envSecret, fileSecret } from "./secret.ts";
import { defined, millis } from "./settings_values.ts";
import { type KeyPath, type Origin, pathText } from "./tree.ts";

/** What is needed besides the configuration. */
export interface Making {
  readonly env: Environment;
  /** Shared by all NATS sources and sinks. */
  readonly nats: CheckedNats;
  readonly egress: EgressSettings;
  /** For sources that do not set their own. */
  readonly maxLineBytes: number;
  /** Where the state is unless the configuration says. */
  readonly statePath: string;
  originOf(path: KeyPath): Origin;
}

/** The secret that `<name>_env` or `<name>_file` names. */
export function makeSecret<Name extends string>(
  keys: { readonly [Key in `${Name}_env` | `${Name}_file`]?: string | undefined },
  name: Name,
  path: KeyPath,
  making: Making,
): Secret | undefined {
  for (const suffix of ["env", "file"] as const) {
    const key: `${Name}_env` | `${Name}_file` = `${name}_${suffix}`;
    const where = keys[key];
    if (where === undefined) continue;
    const place = { path: pathText([...path, key]), origin: making.originOf([...path, key]) };
    return suffix === "env" ? envSecret(where, making.env, place) : fileSecret(where, place);
  }
  return undefined;
}

type CheckedAuth = NonNullable<CheckedNats["auth"]>;

/**
 * How to reach NATS for one source or sink: its own keys over the shared ones.
 *
 * `auth` is taken as a whole, since half of one method and half of another is none.
 */
export function natsSettings(
  own: CheckedNats | undefined,
  path: KeyPath,
  making: Making,
): NatsSettings {
  const shared = making.nats;
  const tls = own?.tls ?? shared.tls;
  const jetstream = { ...shared.jetstream, ...own?.jetstream };
  const reconnect = { ...shared.reconnect, ...own?.reconnect };
  const ping = { ...shared.ping, ...own?.ping };
  const auth = own?.auth === undefined
    ? natsAuth(shared.auth, ["nats", "auth"], making)
    : natsAuth(own.auth, [...path, "nats", "auth"], making);
  return defined({
    servers: own?.servers ?? shared.servers ?? ["nats://127.0.0.1:4222"],
    name: expand(own?.name ?? shared.name, making.env),
    auth,
    tls: tls === undefined
      ? undefined
      : { ...tlsSettings(tls), ...defined({ required: tls.required, first: tls.first }) },
    domain: jetstream.domain,
    apiPrefix: jetstream.api_prefix,
    inboxPrefix: expand(own?.inbox_prefix ?? shared.inbox_prefix, making.env),
    timeoutMs: millis(jetstream.timeout),
    reconnectWaitMs: millis(reconnect.wait),
    reconnectMaxWaitMs: millis(reconnect.max_wait),
    reconnectJitterMs: millis(reconnect.jitter),
    pingIntervalMs: millis(ping.interval),
    maxPingsOut: ping.max_out,
  });
}

function natsAuth(
  auth: CheckedAuth | undefined,
  path: KeyPath,
  making: Making,
): NatsAuth | undefined {
  if (auth === undefined) return undefined;
  if (auth.creds_file !== undefined) return { kind: "creds", file: auth.creds_file };
  const token = makeSecret(auth, "token", path, making);
  if (token !== undefined) return { kind: "token", token };
  const password = makeSecret(auth, "password", path, making);
  if (auth.user !== undefined && password !== undefined) {
    return { kind: "user", user: auth.user, password };
  }
  const seed = makeSecret(auth, "nkey_seed", path, making);
  if (seed === undefined) return undefined;
  return auth.jwt_file === undefined
    ? { kind: "nkey", seed }
    : { kind: "jwt", jwtFile: auth.jwt_file, seed };
}

export function tlsSettings(tls: {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly server_name?: string | undefined;
  readonly insecure?: boolean | undefined;
}): TlsSettings {
  return defined({
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    serverName: tls.server_name,
    insecure: tls.insecure,
  });
}

/** A reference to a variable of the environment; references in lower case are templates. */
const ENV_REFERENCE = /\$\{([A-Z_][A-Z0-9_]*)\}/g;

/** The environment variables that a text refers to. */
export function envReferences(text: string): readonly string[] {
  return [...text.matchAll(ENV_REFERENCE)].map((match) => match[1]!);
}

/** Puts environment variables into a text. */
export function expand(text: string, env: Environment): string;
export function expand(text: string | undefined, env: Environment): string | undefined;
export function expand(text: string | undefined, env: Environment): string | undefined {
  return text?.replace(ENV_REFERENCE, (whole, name: string) => env[name] ?? whole);
}
