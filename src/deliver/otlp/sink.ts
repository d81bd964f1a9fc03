/**
 * The OTLP sink: alerts as log records for a collector, over HTTP.
 *
 * @see delivery.md, sections 10, 20.4 and 20.8
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Alert } from "../../runtime/alert.ts";
import type { DeliveryError } from "../../runtime/errors.ts";
import { HttpClient, type HttpResponse } from "../../runtime/http/client.ts";
import type { Resolver } from "../../runtime/http/connect.ts";
import { HttpError } from "../../runtime/http/errors.ts";
import type { MetricsHook } from "../../runtime/metrics.ts";
import type { Sink } from "../../runtime/plugin.ts";
import type { OtlpSinkSettings } from "../../runtime/settings.ts";
import type { Lookup } from "../../runtime/template.ts";
import { type Failed, failed, judgeError, judgeResponse } from "../http/answer.ts";
import { groupByBytes, type Placed, requestId } from "../http/batch.ts";
import { sendGroups } from "../http/groups.ts";
import { readBody, readSecret, withDefaults } from "../http/sink.ts";
import { SinkTemplates } from "../http/sink_templates.ts";
import { encodeJson, encodeProtobuf, type OtlpOrigin } from "./encode.ts";
import { readResponse } from "./response.ts";

/** What the sink gets from its surroundings. */
export interface OtlpSinkContext {
  readonly origin: OtlpOrigin;
  readonly metrics?: MetricsHook;
  /** Default: the process's variables. */
  readonly env?: Lookup;
  /** Default: the system's resolver. */
  readonly resolve?: Resolver;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

const DEFAULT_MAX_BATCH_BYTES = 512 << 10;
/** Smaller bodies do not gain by compression. */
const MIN_GZIP_BYTES = 1 << 10;
const LOGS_PATH = "/v1/logs";
/** As much of a receiver's message as an error quotes. */
const MAX_QUOTE = 200;
const compress = promisify(gzip);

/**
 * Makes a sink. Nothing is opened before the first `send`.
 *
 * @throws {HttpError} `HTTP_SETTINGS` for settings that cannot work.
 */
export function otlpSink(settings: OtlpSinkSettings, context: OtlpSinkContext): Sink {
  return new OtlpSink(settings, context);
}

class OtlpSink implements Sink {
  readonly id: string;
  readonly kind = "otlp";
  readonly #settings: OtlpSinkSettings;
  readonly #label: string;
  readonly #templates: SinkTemplates;
  readonly #client: HttpClient;
  readonly #origin: OtlpOrigin;
  readonly #now: () => number;

  constructor(settings: OtlpSinkSettings, context: OtlpSinkContext) {
    const { id, endpoint, headers = {} } = settings;
    this.id = id;
    this.#settings = settings;
    this.#label = `otlp sink ${id}`;
    this.#origin = context.origin;
    this.#now = context.now ?? Date.now;
    const env = context.env ?? ((name) => process.env[name]);
    const label = `sink '${id}'`;
    this.#templates = new SinkTemplates(
      { url: endpoint, headers, body: undefined },
      { label, kind: undefined, perAlert: false, env },
    );
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    if (settings.bearer !== undefined && names.includes("authorization")) {
      throw new HttpError(
        "HTTP_SETTINGS",
        `${label}: set either bearer or headers.Authorization`,
      );
    }
    try {
      this.#client = new HttpClient({
        egress: settings.egress,
        component: `sink:${id}`,
        tls: settings.tls,
        proxy: settings.proxy,
        connectTimeoutMs: settings.connectTimeoutMs,
        timeoutMs: settings.timeoutMs,
        metrics: context.metrics,
        env,
        resolve: context.resolve,
      });
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      throw new HttpError("HTTP_SETTINGS", `${label}: ${error.message}`, { cause: error });
    }
  }

  async send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    signal.throwIfAborted();
    const groups = groupByBytes(
      alerts.map((alert, index) => ({ alert, index })),
      this.#settings.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES,
    );
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

  /** One request. @returns `undefined` if the far end has the alerts. */
  async #deliver(group: readonly Placed[], signal: AbortSignal): Promise<Failed | undefined> {
    try {
      const response = await this.#request(group, signal);
      const context = { label: this.#label, expectStatus: [], method: "POST", nowMs: this.#now() };
      return judgeResponse(response, context) ?? this.#partial(response, group.length);
    } catch (error) {
      signal.throwIfAborted();
      return judgeError(error, this.#label);
    }
  }

  /**
   * A receiver may take a request and refuse some of its records. It does not say which, and they
   * must not be sent again, so all of them are kept where somebody can look at them.
   */
  #partial({ body, headers }: HttpResponse, count: number): Failed | undefined {
    const { rejected, message } = readResponse(body, headers["content-type"]);
    if (rejected <= 0) return undefined;
    const which = count === 1
      ? "the record was rejected"
      : `${rejected} of ${count} records were rejected, and which is not told`;
    // deno-lint-ignore no-control-regex
    const quoted = message.slice(0, MAX_QUOTE).replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
    const text = quoted === "" ? which : `${which}: ${quoted}`;
    return failed(this.#label, "poison", text, false, { isFinal: true });
  }

  async #request(group: readonly Placed[], signal: AbortSignal): Promise<HttpResponse> {
    const settings = this.#settings;
    const rendered = this.#templates.render(undefined);
    const alerts = group.map(({ alert }) => ({ alert, body: readBody(alert) }));
    const moment = { ...this.#origin, nowMs: this.#now() };
    const isJson = settings.protocol === "http/json";
    const plain = isJson
      ? Buffer.from(encodeJson(alerts, moment), "utf8")
      : encodeProtobuf(alerts, moment);
    const isZipped = settings.gzip !== false && plain.length >= MIN_GZIP_BYTES;
    const headers = withDefaults(rendered.headers, {
      "content-type": isJson ? "application/json" : "application/x-protobuf",
      "idempotency-key": requestId(group),
    });
    if (isZipped) headers["content-encoding"] = "gzip";
    if (settings.bearer !== undefined) {
      headers.authorization = `Bearer ${readSecret(settings.bearer)}`;
    }
    return await this.#client.request({
      method: "POST",
      url: logsUrl(rendered.url),
      headers,
      body: isZipped ? await compress(plain) : plain,
    }, signal);
  }
}

/** An endpoint without a path is a collector's, which takes logs at a known one. */
function logsUrl(endpoint: string): string {
  const url = URL.parse(endpoint);
  if (url === null || url.pathname !== "/") return endpoint;
  url.pathname = LOGS_PATH;
  return url.href;
}
