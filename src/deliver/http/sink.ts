/**
 * The HTTP sink: batches of alerts as NDJSON or a JSON array, or one templated request an alert.
 *
 * What a far end is asked to take again carries the same id, time and signature, so that it can tell.
 *
 * @see delivery.md, sections 12, 20.4 and 20.8
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseJsonText } from "../../event/json_text.ts";
import { isObject, type Value } from "../../event/value.ts";
import type { Alert } from "../../runtime/alert.ts";
import type { DeliveryError } from "../../runtime/errors.ts";
import { HttpClient, type HttpResponse, isToken } from "../../runtime/http/client.ts";
import type { Resolver } from "../../runtime/http/connect.ts";
import { sleep } from "../../runtime/sleep.ts";
import { causeText, HttpError } from "../../runtime/http/errors.ts";
import { TokenBucket } from "../../runtime/http/token_bucket.ts";
import type { MetricsHook } from "../../runtime/metrics.ts";
import type { Sink } from "../../runtime/plugin.ts";
import type { Scope } from "../../runtime/scope.ts";
import type { HttpSinkSettings } from "../../runtime/settings.ts";
import { alertValues, type Lookup } from "../../runtime/template.ts";
import { type Failed, failed, judgeError, judgeResponse } from "./answer.ts";
import { groupByBytes, jsonArray, ndjson, type Placed, requestId } from "./batch.ts";
import { sendGroups } from "./groups.ts";
import { makeSigner, type Signer } from "./signing.ts";
import { SinkTemplates } from "./sink_templates.ts";

/** The settings of a sink that a webhook file describes. */
export interface WebhookSettings extends HttpSinkSettings {
  /** What `filter` cannot say. Alerts outside of it count as delivered without a request. */
  readonly webhook?: { readonly kind: "detection" | "correlation"; readonly scope: Scope };
}

/** What the sink gets from its surroundings; all of it has defaults. */
export interface HttpSinkContext {
  readonly metrics?: MetricsHook;
  /** Default: the process's variables. */
  readonly env?: Lookup;
  /** Default: the system's resolver. */
  readonly resolve?: Resolver;
  /** Unix milliseconds, for `Retry-After`. */
  readonly now?: () => number;
}

const DEFAULT_MAX_BATCH_BYTES = 512 << 10;
/** Smaller bodies do not gain by compression. */
const MIN_GZIP_BYTES = 1 << 10;
/** Longer waits for the rate limit are left to whoever retries. */
const MAX_RATE_WAIT_MS = 10_000;
const compress = promisify(gzip);

/**
 * Makes a sink. Nothing is opened before the first `send`.
 *
 * @throws {HttpError} `HTTP_SETTINGS` for settings that cannot work: templates, signing, egress
 *   lists. Files and secrets are read when they are needed.
 */
export function httpSink(settings: WebhookSettings, context: HttpSinkContext = {}): Sink {
  return new HttpSink(settings, context);
}

class HttpSink implements Sink {
  readonly id: string;
  readonly kind = "http";
  readonly #settings: WebhookSettings;
  readonly #label: string;
  readonly #method: string;
  readonly #perAlert: boolean;
  readonly #templates: SinkTemplates;
  readonly #signer: Signer | undefined;
  readonly #bucket: TokenBucket | undefined;
  readonly #client: HttpClient;
  readonly #now: () => number;

  constructor(settings: WebhookSettings, context: HttpSinkContext) {
    const { id, headers = {} } = settings;
    this.id = id;
    this.#settings = settings;
    this.#label = `${settings.webhook === undefined ? "http sink" : "webhook"} ${id}`;
    this.#method = (settings.method ?? "POST").toUpperCase();
    this.#perAlert = settings.mode === "template";
    this.#now = context.now ?? Date.now;
    const env = context.env ?? ((name) => process.env[name]);
    const label = `${settings.webhook === undefined ? "sink" : "webhook"} '${id}'`;
    this.#templates = new SinkTemplates(
      { url: settings.url, headers, body: settings.body },
      { label, kind: onlyKind(settings), perAlert: this.#perAlert, env },
    );
    const configured = Object.keys(headers);
    if (settings.bearer !== undefined) configured.push("Authorization");
    try {
      checkCombination(settings, this.#method);
      this.#signer = settings.signing && makeSigner(settings.signing, configured);
      this.#client = new HttpClient({
        egress: settings.egress,
        component: `sink:${id}`,
        tls: settings.tls,
        proxy: settings.proxy,
        connectTimeoutMs: settings.connectTimeoutMs,
        timeoutMs: settings.timeoutMs,
        maxRedirects: settings.maxRedirects,
        metrics: context.metrics,
        env,
        resolve: context.resolve,
      });
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw new HttpError("HTTP_SETTINGS", `${label}: ${error.message}`, { cause: error });
    }
    const { rateLimit } = settings;
    this.#bucket = rateLimit && new TokenBucket(rateLimit.requests, rateLimit.perMs);
  }

  async send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    signal.throwIfAborted();
    const wanted = alerts.map((alert, index) => ({ alert, index }))
      .filter(({ alert }) => this.#wants(alert));
    const groups = this.#perAlert
      ? wanted.map((placed) => [placed])
      : groupByBytes(wanted, this.#settings.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES);
    return await sendGroups(
      this.#label,
      alerts.length,
      groups,
      (group) => this.#deliver(group, signal),
    );
  }

  reopen(): void {
    this.#client.reopen();
  }

  /** Connects, and for `https:` shakes hands; no request is sent. */
  async probe(signal: AbortSignal): Promise<void> {
    try {
      await this.#client.probe(this.#templates.neutralUrl(), signal);
    } catch (error) {
      throw judgeError(error, this.#label).error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #wants(alert: Alert): boolean {
    const { webhook } = this.#settings;
    if (webhook === undefined) return true;
    if (alert.kind !== webhook.kind) return false;
    return webhook.scope({ ...alert, tags: () => tagsOf(readBody(alert)) });
  }

  /** One request. @returns `undefined` if the far end has the alerts. */
  async #deliver(group: readonly Placed[], signal: AbortSignal): Promise<Failed | undefined> {
    const limited = await this.#takeToken(signal);
    if (limited !== undefined) return limited;
    try {
      const response = await this.#request(group, signal);
      return judgeResponse(response, {
        label: this.#label,
        expectStatus: this.#settings.expectStatus ?? [],
        method: this.#method,
        nowMs: this.#now(),
      });
    } catch (error) {
      signal.throwIfAborted();
      return judgeError(error, this.#label);
    }
  }

  async #request(group: readonly Placed[], signal: AbortSignal): Promise<HttpResponse> {
    const settings = this.#settings;
    const rendered = this.#templates.render(this.#valuesOf(group));
    const [text, contentType] = this.#body(group, rendered.body);
    const plain = text === undefined ? undefined : Buffer.from(text, "utf8");
    const zipped = settings.gzip === true && plain !== undefined && plain.length >= MIN_GZIP_BYTES;
    const body = zipped ? await compress(plain) : plain;
    const id = requestId(group);
    const headers = withDefaults(rendered.headers, {
      ...(contentType === undefined ? {} : { "content-type": contentType }),
      "idempotency-key": id,
    });
    if (zipped) headers["content-encoding"] = "gzip";
    if (settings.bearer !== undefined) {
      headers.authorization = `Bearer ${readSecret(settings.bearer)}`;
    }
    const signed = this.#signer?.({
      id,
      timestamp: Math.floor(Math.max(...group.map(({ alert }) => alert.createdMs)) / 1000),
      body: body ?? new Uint8Array(),
    });
    return await this.#client.request(
      { method: this.#method, url: rendered.url, headers: { ...headers, ...signed }, body },
      signal,
    );
  }

  #valuesOf(group: readonly Placed[]): ReturnType<typeof alertValues> | undefined {
    if (!this.#perAlert) return undefined;
    const { alert } = group[0]!;
    return alertValues(alert, readBody(alert));
  }

  /** The body of a request and its type, where that is known. */
  #body(
    group: readonly Placed[],
    rendered: string | undefined,
  ): readonly [body: string | undefined, contentType: string | undefined] {
    const { mode = "ndjson" } = this.#settings;
    switch (mode) {
      case "ndjson":
        return [ndjson(group), "application/x-ndjson"];
      case "json":
        return [jsonArray(group), "application/json"];
      case "template":
        return [rendered, isJson(rendered) ? "application/json" : undefined];
    }
  }

  /** Takes what each request costs of the rate limit, waiting for it. */
  async #takeToken(signal: AbortSignal): Promise<Failed | undefined> {
    if (this.#bucket === undefined) return undefined;
    for (let waitMs = this.#bucket.take(); waitMs > 0; waitMs = this.#bucket.take()) {
      if (waitMs > MAX_RATE_WAIT_MS) {
        const message = `rate limit: the next request may go in ${Math.ceil(waitMs / 1000)} s`;
        return failed(this.#label, "transient", message, true, { retryAfterMs: waitMs });
      }
      await sleep(waitMs, signal);
    }
    return undefined;
  }
}

function onlyKind({ webhook, filter }: WebhookSettings): "detection" | "correlation" | undefined {
  if (webhook !== undefined) return webhook.kind;
  const kinds = filter?.kinds ?? [];
  return kinds.length === 1 && kinds[0] !== "gap" ? kinds[0] : undefined;
}

function checkCombination(settings: HttpSinkSettings, method: string): void {
  if (!isToken(method)) {
    throw new HttpError("HTTP_SETTINGS", `invalid HTTP method '${method}'`);
  }
  if (settings.body !== undefined && settings.mode !== "template") {
    throw new HttpError("HTTP_SETTINGS", "body needs mode: template");
  }
  const names = Object.keys(settings.headers ?? {}).map((name) => name.toLowerCase());
  if (settings.bearer !== undefined && names.includes("authorization")) {
    throw new HttpError("HTTP_SETTINGS", "set either bearer or headers.Authorization");
  }
  for (const name of ["content-length", "transfer-encoding", "connection"]) {
    if (names.includes(name)) {
      throw new HttpError("HTTP_SETTINGS", `header '${name}' is set by the connection itself`);
    }
  }
}

/** @throws {HttpError} `HTTP_SETTINGS` if it cannot be read. */
export function readSecret(secret: () => string): string {
  try {
    return secret().trim();
  } catch (error) {
    throw new HttpError("HTTP_SETTINGS", causeText(error), { cause: error });
  }
}

/** `headers` in small letters, with those of `defaults` that it does not have. */
export function withDefaults(
  headers: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, string>>,
): Record<string, string> {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...defaults, ...Object.fromEntries(lower) };
}

function isJson(text: string | undefined): boolean {
  if (text === undefined) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The alert's result; nothing where a body is no JSON, which no part of Picket writes. */
export function readBody(alert: Alert): Value {
  try {
    return parseJsonText(alert.body);
  } catch {
    return null;
  }
}

function tagsOf(body: Value): readonly string[] {
  const tags = isObject(body) ? body.tags : undefined;
  return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === "string") : [];
}
