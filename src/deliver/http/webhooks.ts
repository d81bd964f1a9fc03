/**
 * Webhook files: YAML lists of HTTP requests to make for alerts, in the reference's schema.
 *
 * They become settings of HTTP sinks in mode `template`. Delivery is from the outbox: `queue_size` and
 * `retry.attempts` are checked for what they are and have no effect, since nothing waits in a queue
 * that could be full and nothing is given up that may still arrive.
 *
 * @see delivery.md, sections 12.1 to 12.3 and 20.13
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { LineCounter, parseDocument } from "yaml";
import { isToken } from "../../runtime/http/client.ts";
import { causeText, HttpError } from "../../runtime/http/errors.ts";
import { readCertificates } from "../../runtime/http/tls_files.ts";
import type { SinkFilter } from "../../runtime/outbox.ts";
import { parseScope, type ScopeSettings } from "../../runtime/scope.ts";
import type { EgressSettings, HttpSigning, Secret, TlsSettings } from "../../runtime/settings.ts";
import type { Lookup } from "../../runtime/template.ts";
import { LEVELS } from "../../sigma/rule.ts";
import { decodeKey, makeSigner } from "./signing.ts";
import type { WebhookSettings } from "./sink.ts";
import { SinkTemplates } from "./sink_templates.ts";
import { invalid, Members } from "./webhook_reader.ts";

/** What webhook files do not say. */
export interface WebhookContext {
  readonly egress: EgressSettings;
  /** Default: the process's variables. */
  readonly env?: Lookup;
  /** For webhooks that name no proxy. Default `env`. */
  readonly proxy?: "env" | "none" | string;
}

const MAX_FILE_BYTES = 1 << 20;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_BACKOFF_MS = 1_000;
const DEFAULT_MAX_BACKOFF_MS = 30_000;

/**
 * Reads webhook files, and the `*.yml` and `*.yaml` of directories in order of their names.
 *
 * @returns Settings for `httpSink`, one for each webhook, in the order of the files.
 * @throws {HttpError} `HTTP_SETTINGS` with a line for every webhook that is wrong.
 */
export function loadWebhooks(
  paths: readonly string[],
  context: WebhookContext,
): readonly WebhookSettings[] {
  const env = context.env ?? ((name) => process.env[name]);
  const found: WebhookSettings[] = [];
  const problems: string[] = [];
  const attempt = (run: () => void) => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      problems.push(error.message);
    }
  };
  for (const path of paths) {
    attempt(() => {
      for (const file of filesOf(path)) {
        attempt(() => {
          for (const { value, place } of readFile(file)) {
            attempt(() => {
              const settings = locate(place, () => readWebhook(value, { ...context, env }));
              if (found.some(({ id }) => id === settings.id)) {
                invalid(`${place}: duplicate webhook id '${settings.id}'`);
              }
              found.push(settings);
            });
          }
        });
      }
    });
  }
  if (problems.length > 0) throw new HttpError("HTTP_SETTINGS", problems.join("\n"));
  return found;
}

function filesOf(path: string): readonly string[] {
  return readable(path, () => {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path).filter((name) => /\.ya?ml$/.test(name)).sort()
      .map((name) => join(path, name));
  });
}

function readable<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const message = `failed to read webhooks config '${path}': ${causeText(error)}`;
    throw new HttpError("HTTP_SETTINGS", message, { cause: error });
  }
}

/** The entries of the `webhooks` list and where each begins. */
function readFile(path: string): readonly { readonly value: unknown; readonly place: string }[] {
  const text = readable(path, () => {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) throw new Error(`more than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(path, "utf8");
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "silent" });
  const [problem] = document.errors;
  if (problem !== undefined) invalid(`${path}: invalid webhooks YAML: ${problem.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    invalid(`${path}: invalid webhooks YAML: ${causeText(error)}`);
  }
  if (value === null || value === undefined) return [];
  return locate(path, () => {
    const top = new Members(value, "top level");
    const list = top.any("webhooks") ?? [];
    top.finish();
    if (!Array.isArray(list)) invalid("invalid webhooks YAML: webhooks: expected a list");
    return list.map((one: unknown, index) => {
      const at = document.getIn(["webhooks", index], true);
      const offset = hasRange(at) ? at.range[0] : 0;
      return { value: one, place: `${path}:${lines.linePos(offset).line}` };
    });
  });
}

function hasRange(node: unknown): node is { readonly range: readonly [number, number, number] } {
  return typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
}

/** Puts where it is in front of what is wrong. */
function locate<T>(place: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError("HTTP_SETTINGS", `${place}: ${error.message}`, { cause: error });
  }
}

function readWebhook(
  value: unknown,
  context: WebhookContext & { readonly env: Lookup },
): WebhookSettings {
  const entry = new Members(value, "webhook");
  const id = entry.requiredText("id");
  const label = `webhook '${id}'`;
  const hook = new Members(value, label);
  hook.any("id");
  const kind = readKind(hook, label);
  const url = hook.text("url") ?? "";
  if (url.trim() === "") invalid(`${label}: missing required field 'url'`);
  const headers = hook.texts("headers") ?? {};
  const body = hook.text("body");
  // Made for its checks; the sink makes its own.
  new SinkTemplates({ url, headers, body }, { label, kind, perAlert: true, env: context.env });
  const method = (hook.text("method") ?? "POST").toUpperCase();
  if (!isToken(method)) invalid(`${label}: invalid HTTP method '${method}'`);
  const { scope, filter } = readScope(hook, kind, label);
  const timeoutMs = hook.duration("timeout") ?? DEFAULT_TIMEOUT_MS;
  if (timeoutMs === 0) invalid(`${label}: timeout must be greater than zero`);
  const rateLimit = readRateLimit(hook, label);
  const retry = readRetry(hook, label);
  hook.count("queue_size");
  const tls = readTls(hook, label);
  const signing = readSigning(hook, label, Object.keys(headers), context.env);
  const maxRedirects = hook.count("max_redirects");
  const expectStatus = hook.list<number>("expect_status", "number");
  const proxy = hook.text("proxy") ?? context.proxy;
  hook.finish();
  return {
    id,
    type: "http",
    mode: "template",
    filter,
    url,
    method,
    headers,
    timeoutMs,
    ...retry,
    egress: context.egress,
    webhook: { kind, scope },
    ...(body === undefined ? {} : { body }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...(tls === undefined ? {} : { tls }),
    ...(signing === undefined ? {} : { signing }),
    ...(maxRedirects === undefined ? {} : { maxRedirects }),
    ...(expectStatus === undefined ? {} : { expectStatus }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

function readKind(hook: Members, label: string): "detection" | "correlation" {
  const kind = hook.requiredText("kind");
  if (kind === "detection" || kind === "correlation") return kind;
  const hint = kind === "incident"
    ? "; incidents are not made yet"
    : "; one webhook is for one kind";
  return invalid(
    `${label}: unknown kind '${kind}' (valid kinds: detection, correlation${hint})`,
  );
}

/** The exact scope, and as much of it as the outbox can leave out beforehand. */
function readScope(
  hook: Members,
  kind: "detection" | "correlation",
  label: string,
): { readonly scope: ReturnType<typeof scopeOf>; readonly filter: SinkFilter } {
  const block = hook.members("scope");
  const rules = block?.list<string>("rules", "string") ?? [];
  const tags = block?.list<string>("tags", "string") ?? [];
  const levels = block?.list<string>("levels", "string") ?? [];
  block?.finish();
  const scope = scopeOf({ rules, tags, levels }, label);
  const lowest = LEVELS.find((level) => levels.includes(level));
  return {
    scope,
    filter: {
      kinds: [kind],
      ...(lowest === undefined ? {} : { minLevel: lowest }),
      // The filter knows `*` and `?` only. It ignores case and takes titles for ids, so it lets
      // more through than the scope, never less.
      ...(rules.length === 0 || rules.some((rule) => /[[\]{}\\]/.test(rule)) ? {} : { rules }),
    },
  };
}

function scopeOf(settings: ScopeSettings, label: string) {
  const reading = parseScope(settings);
  return "error" in reading ? invalid(`${label}: ${reading.error}`) : reading.scope;
}

function readRateLimit(hook: Members, label: string): WebhookSettings["rateLimit"] {
  const block = hook.members("rate_limit");
  if (block === undefined) return undefined;
  const requests = block.count("requests");
  const perMs = block.duration("per");
  block.finish();
  if (requests === undefined || perMs === undefined) {
    invalid(`invalid webhooks YAML: ${label}: rate_limit needs both requests and per`);
  }
  if (requests === 0) invalid(`${label}: rate_limit.requests must be at least 1`);
  if (perMs === 0) invalid(`${label}: rate_limit.per must be greater than zero`);
  return { requests, perMs };
}

function readRetry(
  hook: Members,
  label: string,
): Pick<Required<WebhookSettings>, "backoffBaseMs" | "backoffMaxMs"> {
  const block = hook.members("retry");
  const attempts = block?.count("attempts");
  const backoffBaseMs = block?.duration("backoff") ?? DEFAULT_BACKOFF_MS;
  const backoffMaxMs = block?.duration("max_backoff") ?? DEFAULT_MAX_BACKOFF_MS;
  block?.finish();
  if (attempts === 0) invalid(`${label}: retry.attempts must be at least 1`);
  return { backoffBaseMs, backoffMaxMs };
}

function readTls(hook: Members, label: string): TlsSettings | undefined {
  const block = hook.members("tls");
  if (block === undefined) return undefined;
  const ca = block.text("ca");
  const cert = block.text("client_cert");
  const key = block.text("client_key");
  block.finish();
  if ((cert === undefined) !== (key === undefined)) {
    invalid(`${label}: tls.client_cert and tls.client_key must be set together for mutual TLS`);
  }
  if (ca !== undefined) inWebhook(label, () => readCertificates("tls.ca", ca));
  if (cert !== undefined) inWebhook(label, () => readCertificates("tls.client_cert", cert));
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

function readSigning(
  hook: Members,
  label: string,
  configured: readonly string[],
  env: Lookup,
): HttpSigning | undefined {
  const block = hook.members("signing");
  if (block === undefined) return undefined;
  const secretEnv = block.requiredText("secret_env");
  const rotateEnv = block.text("rotate_secret_env");
  const encoding = block.text("secret_encoding") ?? "utf8";
  const scheme = block.text("scheme") ?? "standard";
  const custom = block.members("custom");
  const problem = (message: string): never => invalid(`${label}: ${message}`);
  const common = {
    secret: envSecret(secretEnv, env),
    ...(rotateEnv === undefined ? {} : { rotateSecret: envSecret(rotateEnv, env) }),
    // Structure is checked before secrets, so an unknown encoding is told last.
    secretEncoding: encoding === "base64" ? encoding : "utf8",
  } as const;
  const read = (): HttpSigning => {
    switch (scheme) {
      case "standard":
      case "github":
        return { ...common, scheme };
      case "custom":
        if (custom === undefined) return problem("scheme 'custom' requires a 'custom:' block");
        return { ...common, scheme, ...readCustom(custom, label) };
      default:
        return problem(`unknown signing scheme '${scheme}' (valid: standard, github, custom)`);
    }
  };
  const signing = read();
  block.finish();
  inWebhook(label, () => makeSigner(signing, configured));
  for (const name of [secretEnv, rotateEnv]) {
    if (name !== undefined && (env(name) ?? "") === "") {
      problem(`signing secret environment variable '${name}' is unset or empty`);
    }
  }
  if (encoding !== "utf8" && encoding !== "base64") {
    problem(`unknown secret_encoding '${encoding}' (valid: utf8, base64)`);
  }
  for (const name of [secretEnv, rotateEnv]) {
    if (name === undefined) continue;
    inWebhook(label, () => decodeKey(env(name) ?? "", common.secretEncoding, ` in '${name}'`));
  }
  return signing;
}

function readCustom(
  custom: Members,
  label: string,
): Omit<Extract<HttpSigning, { scheme: "custom" }>, "secret" | "scheme"> {
  const algorithm = custom.text("algorithm") ?? "sha256";
  const encoding = custom.text("encoding") ?? "hex";
  if (algorithm !== "sha256" && algorithm !== "sha512") {
    return invalid(`${label}: unknown custom.algorithm '${algorithm}' (valid: sha256, sha512)`);
  }
  if (encoding !== "hex" && encoding !== "base64") {
    return invalid(`${label}: unknown custom.encoding '${encoding}' (valid: hex, base64)`);
  }
  const timestampHeader = custom.text("timestamp_header");
  const idHeader = custom.text("id_header");
  const read = {
    algorithm,
    encoding,
    signatureHeader: custom.requiredText("signature_header"),
    valueFormat: custom.requiredText("value_format"),
    signedPayload: custom.requiredText("signed_payload"),
    ...(timestampHeader === undefined ? {} : { timestampHeader }),
    ...(idHeader === undefined ? {} : { idHeader }),
  } as const;
  custom.finish();
  return read;
}

function envSecret(name: string, env: Lookup): Secret {
  return () => {
    const value = env(name);
    if (value) return value;
    return invalid(`signing secret environment variable '${name}' is unset or empty`);
  };
}

function inWebhook(label: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw new HttpError("HTTP_SETTINGS", `${label}: ${error.message}`, { cause: error });
  }
}
