/**
 * Speaks to a running agent: over HTTP, HTTPS and Unix sockets, with the token that options name.
 *
 * `node:http` rather than `fetch`, because only it reaches Unix sockets and takes certificates in
 * both runtimes.
 */
import { type Command, InvalidArgumentError } from "commander";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest, type RequestOptions as TlsOptions } from "node:https";
import { parseDuration } from "../src/runtime/duration.ts";
import { ConfigError, problemText } from "../src/agent/config/problems.ts";
import type { AgentConfig } from "../src/agent/config/types.ts";
import { loadConfig } from "../src/agent/config/load.ts";
import { UsageError } from "./commands/common.ts";
import { type ConfigOptions, loadOptions } from "./commands/config_options.ts";
import type { CliIo } from "./io.ts";
import { safeText } from "./render/text.ts";

/** What is typed to reach an agent. */
export interface ApiOptions extends ConfigOptions {
  readonly addr?: string;
  readonly tokenEnv?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly timeout: number;
}

/** The agent did not answer, or refused: exit code 3. */
export class ApiClientError extends UsageError {
  /** The status of the answer; `undefined` when there was none. */
  readonly status: number | undefined;
  /** How long the agent asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    status?: number,
    retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Where an agent listens. */
export type ApiTarget =
  | { readonly kind: "unix"; readonly path: string }
  | {
    readonly kind: "tcp";
    readonly tls: boolean;
    readonly host: string;
    readonly port: number;
    /** In front of every path; for agents behind a proxy. */
    readonly base: string;
  };

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

const DEFAULT_TIMEOUT = "10s";
/** Answers are lists of at most a thousand; more is not from Picket. */
const MAX_ANSWER_BYTES = 64 << 20;
const TOKEN_VARIABLE = "PICKET_API_TOKEN";

/** Adds the options that every command that asks an agent has. */
export function addApiOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "configuration that says where the agent listens")
    .option("--addr <address>", "host:port, http(s)://… or unix:///path; default: as configured")
    .option("--token-env <name>", `variable with the token; default: ${TOKEN_VARIABLE}`)
    .option("--token-file <file>", "file with the token")
    .option("--ca <file>", "PEM certificate of the authority to trust")
    .option("--cert <file>", "PEM certificate to show")
    .option("--key <file>", "PEM key of --cert")
    .option(
      "--timeout <duration>",
      "how long to wait for an answer",
      duration,
      duration(DEFAULT_TIMEOUT),
    );
}

/** The value of an option such as `--timeout 10s`, in milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError("give a duration such as 30s or 1m 30s");
  return ms;
}

/** A whole number, 0 included. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}

/**
 * Parses an address as people type it.
 *
 * @param tls Whether an address without a scheme has TLS.
 * @throws {UsageError}
 */
export function parseTarget(text: string, tls = false): ApiTarget {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    if (path === "") throw new UsageError("--addr unix:// needs a path: unix:///run/picket.sock");
    return { kind: "unix", path };
  }
  const hasScheme = /^https?:\/\//i.test(text);
  const url = URL.parse(hasScheme ? text : `${tls ? "https" : "http"}://${text}`);
  if (url === null || url.hostname === "" || url.username !== "" || url.search !== "") {
    throw new UsageError(
      `--addr '${text}' is no address: give host:port, http(s)://… or unix:///path`,
    );
  }
  const isTls = url.protocol === "https:";
  if (!hasScheme && !/:\d+$/.test(text)) {
    throw new UsageError(`--addr '${text}' has no port: give host:port`);
  }
  return {
    kind: "tcp",
    tls: isTls,
    host: reachable(url.hostname.replace(/^\[|\]$/g, "")),
    port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
    base: url.pathname.replace(/\/$/, ""),
  };
}

/** Nobody answers at the address that means "all of them". */
function reachable(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}

/** An agent to ask. */
export class ApiClient {
  readonly target: ApiTarget;
  readonly #token: string | undefined;
  readonly #tls: Pick<TlsOptions, "ca" | "cert" | "key">;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;

  /** @throws {UsageError} For options that contradict each other, and files that cannot be read. */
  constructor(options: ApiOptions, io: CliIo) {
    this.target = targetOf(options, io);
    this.#token = tokenOf(options, io);
    if ((options.cert === undefined) !== (options.key === undefined)) {
      throw new UsageError("--cert and --key only work together");
    }
    this.#tls = {
      ...(options.ca === undefined ? {} : { ca: read("--ca", options.ca) }),
      ...(options.cert === undefined ? {} : { cert: read("--cert", options.cert) }),
      ...(options.key === undefined ? {} : { key: read("--key", options.key) }),
    };
    this.#timeoutMs = options.timeout;
    this.#signal = io.signal;
  }

  /** The agent's address, for messages. */
  get url(): string {
    const { target } = this;
    if (target.kind === "unix") return `unix://${target.path}`;
    const host = target.host.includes(":") ? `[${target.host}]` : target.host;
    return `${target.tls ? "https" : "http"}://${host}:${target.port}${target.base}`;
  }

  /**
   * Asks and reads the whole answer.
   *
   * @param timeoutMs Overrides `--timeout`.
   * @throws {ApiClientError} If there is no answer, or one that is not 2xx.
   */
  async ask(method: "GET" | "POST", path: string, timeoutMs = this.#timeoutMs): Promise<ApiAnswer> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([this.#signal, deadline]);
    try {
      const answer = await this.#send(method, path, {}, signal);
      const body = await readText(answer);
      return { status: answer.statusCode ?? 0, body };
    } catch (error) {
      throw this.#failure(error, deadline, timeoutMs);
    }
  }

  /**
   * Opens a stream; `--timeout` only holds until it begins.
   *
   * @throws {ApiClientError}
   */
  async stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<string>> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#timeoutMs);
    try {
      const all = AbortSignal.any([this.#signal, signal, late.signal]);
      const answer = await this.#send("GET", path, headers, all);
      answer.setEncoding("utf8");
      return this.#chunks(answer);
    } catch (error) {
      throw this.#failure(error, late.signal, this.#timeoutMs);
    } finally {
      clearTimeout(timer);
    }
  }

  async *#chunks(answer: IncomingMessage): AsyncGenerator<string> {
    try {
      for await (const chunk of answer) yield String(chunk);
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw new ApiClientError(
        `Lost the agent at ${this.url}: ${messageOf(error)}`,
        undefined,
        undefined,
        {
          cause: error,
        },
      );
    } finally {
      answer.destroy();
    }
  }

  /** The answer's head; throws for statuses beyond 2xx. */
  async #send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const { target } = this;
    const options: RequestOptions = {
      method,
      path: (target.kind === "tcp" ? target.base : "") + path,
      headers: {
        ...headers,
        ...(method === "POST" ? { "content-length": "0" } : {}),
        ...(target.kind === "unix" ? { host: "localhost" } : {}),
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      },
      agent: false,
      ...(target.kind === "unix"
        ? { socketPath: target.path }
        : { host: target.host, port: target.port }),
    };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = target.kind === "tcp" && target.tls
        ? httpsRequest({ ...options, ...this.#tls }, resolve)
        : httpRequest(options, resolve);
      const abort = (): void => void request.destroy(new Error("given up"));
      signal.addEventListener("abort", abort, { once: true });
      request.on("close", () => signal.removeEventListener("abort", abort));
      request.on("error", reject);
      request.end();
    });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw refusal(status, await readText(answer), answer.headers["retry-after"]);
  }

  #failure(error: unknown, deadline: AbortSignal, timeoutMs: number): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    if (error instanceof ApiClientError) return error;
    const reason = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : messageOf(error);
    return new ApiClientError(
      `Cannot reach the agent at ${this.url}: ${reason} (is the daemon running?)`,
      undefined,
      undefined,
      { cause: error },
    );
  }
}

/** What a refusal says, in the agent's words and with what to do about it. */
function refusal(status: number, body: string, retryAfter: string | undefined): ApiClientError {
  let error = `status ${status}`;
  let hint: string | undefined;
  try {
    const answer = JSON.parse(body) as { readonly error?: unknown; readonly hint?: unknown };
    if (typeof answer.error === "string") error = answer.error;
    if (typeof answer.hint === "string") hint = answer.hint;
  } catch {
    if (body.trim() !== "") error = `status ${status}: ${body.trim().slice(0, 200)}`;
  }
  if (status === 401) hint = `give a token with ${TOKEN_VARIABLE}, --token-env or --token-file`;
  const seconds = Number(retryAfter);
  return new ApiClientError(
    safeText(`The agent refused: ${error}${hint === undefined ? "" : ` (${hint})`}`),
    status,
    seconds > 0 ? seconds * 1000 : undefined,
  );
}

async function readText(answer: IncomingMessage): Promise<string> {
  answer.setEncoding("utf8");
  let text = "";
  for await (const chunk of answer) {
    text += String(chunk);
    if (text.length > MAX_ANSWER_BYTES) throw new Error("the answer is too large");
  }
  return text;
}

function targetOf(options: ApiOptions, io: CliIo): ApiTarget {
  if (options.addr !== undefined) return parseTarget(options.addr);
  let api: AgentConfig["api"];
  try {
    api = loadConfig(loadOptions(options, io)).config.api;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const first = error.problems[0];
    const reason = first === undefined ? error.message : problemText(first);
    throw new UsageError(
      `Cannot tell where the agent listens, give --addr: ${safeText(reason)}`,
    );
  }
  const { address } = api;
  if (address.kind === "unix") return address;
  const host = reachable(address.host);
  return { kind: "tcp", tls: api.tls !== undefined, host, port: address.port, base: "" };
}

function tokenOf({ tokenEnv, tokenFile }: ApiOptions, io: CliIo): string | undefined {
  if (tokenEnv !== undefined && tokenFile !== undefined) {
    throw new UsageError("--token-env and --token-file exclude each other");
  }
  if (tokenFile !== undefined) {
    const token = read("--token-file", tokenFile).trim();
    if (token === "") throw new UsageError(`--token-file ${tokenFile} is empty`);
    return checked(token, "--token-file");
  }
  const name = tokenEnv ?? TOKEN_VARIABLE;
  const token = io.env[name]?.trim();
  if (tokenEnv !== undefined && !token) throw new UsageError(`variable ${name} is unset or empty`);
  return token ? checked(token, name) : undefined;
}

/** Line ends in a header would be another header. */
function checked(token: string, where: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) throw new UsageError(`the token of ${where} is no token`);
  return token;
}

function read(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`Cannot read ${option} ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}
