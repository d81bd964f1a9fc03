/**
 * `POST /api/v1/events`: events from programs on this machine.
 *
 * @see daemon.md 3.8 and 19.2, delivery.md 20.13
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { z } from "zod";
import { decodeUtf8, inflate, readBody } from "./body.ts";
import { ApiError } from "./errors.ts";
import { RateLimiter } from "./rate_limit.ts";
import { type Caller, defineRoute, json, type Route } from "./route.ts";
import type { Services } from "./services.ts";
import type { IngestResult } from "./view.ts";

/** Answers that are remembered for a repeated `Idempotency-Key`. */
const MAX_KEYS = 1000;
const KEY_MS = 24 * 3_600_000;
/** Lines that an answer complains about; the count is exact. */
const MAX_ERRORS = 100;

const lineError = z.object({ line: z.int(), reason: z.string() });
const ingestAnswer = z.object({
  accepted: z.int(),
  rejected: z.int(),
  /** The first 100; lines count from 1. */
  errors: z.array(lineError),
});
type IngestAnswer = z.infer<typeof ingestAnswer>;

interface Remembered {
  readonly digest: string;
  readonly status: number;
  readonly answer: IngestAnswer;
  readonly untilMs: number;
}

export function ingestRoute(services: Services): Route {
  const { limits, metrics, now } = services;
  const bytes = new RateLimiter(limits.ingestBytesPerSecond, limits.ingestBurstBytes);
  const remembered = new Map<string, Remembered>();
  return defineRoute({
    method: "POST",
    path: "/api/v1/events",
    summary: "Give events to the input of type http, one a line; gzip and zstd are understood",
    permission: "events:ingest",
    class: "ingest",
    responses: {
      200: { description: "Lines that were queued and those that were not", schema: ingestAnswer },
      404: { description: "There is no input of type http" },
      413: { description: "The body is too large, or all of its lines are" },
      429: { description: "No room; the first `accepted` lines were taken" },
      503: { description: "The agent is stopping; the first `accepted` lines were taken" },
    },
    handle: async ({ request, caller }) => {
      const packed = await readBody(request, limits.ingestBytes, caller.signal);
      const encoding = request.headers.get("content-encoding");
      const plain = await inflate(packed, encoding, limits.ingestInflatedBytes);
      const who = caller.identity.name ?? caller.connection.peer;
      const waitMs = bytes.take(who, now(), plain.length);
      if (waitMs > 0) {
        metrics.onApiRateLimited("ingest");
        throw new ApiError(429, "rate_limited", "too many bytes a second", {
          facts: { accepted: 0 },
          headers: { "retry-after": String(Math.ceil(waitMs / 1000)) },
        });
      }
      const key = idempotencyKey(request, who);
      if (key === undefined) return await ingest(services, decodeUtf8(plain), caller);
      const digest = createHash("sha256").update(plain).digest("hex");
      forgetOld(remembered, now());
      const before = remembered.get(key);
      if (before !== undefined) {
        if (before.digest !== digest) {
          throw new ApiError(409, "conflict", "the Idempotency-Key was used for another body");
        }
        return json(before.answer, before.status, { "idempotent-replay": "true" });
      }
      const response = await ingest(services, decodeUtf8(plain), caller, key);
      if (response.status === 200) {
        const answer = await response.clone().json() as IngestAnswer;
        remembered.set(key, { digest, status: 200, answer, untilMs: now() + KEY_MS });
      }
      return response;
    },
  });
}

function idempotencyKey(request: Request, who: string): string | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new ApiError(
      400,
      "invalid_parameter",
      "Idempotency-Key must be 1 to 255 visible characters",
    );
  }
  return `${who}\n${key}`;
}

function forgetOld(remembered: Map<string, Remembered>, nowMs: number): void {
  for (const [key, { untilMs }] of remembered) {
    if (untilMs > nowMs && remembered.size < MAX_KEYS) break;
    remembered.delete(key);
  }
}

async function ingest(
  { view, limits }: Services,
  text: string,
  { signal }: Caller,
  key?: string,
): Promise<Response> {
  const errors: { line: number; reason: string }[] = [];
  const lines: string[] = [];
  const numbers: number[] = [];
  let rejected = 0;
  const reject = (line: number, reason: string): void => {
    rejected++;
    if (errors.length < MAX_ERRORS) errors.push({ line, reason });
  };
  let number = 0;
  for (const raw of text.split("\n")) {
    number++;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.trim() === "") continue;
    // A UTF-16 unit takes three bytes at most.
    if (
      line.length * 3 > limits.ingestLineBytes && Buffer.byteLength(line) > limits.ingestLineBytes
    ) {
      reject(number, `line exceeds ${limits.ingestLineBytes} bytes`);
      continue;
    }
    lines.push(line);
    numbers.push(number);
  }
  const result: IngestResult = await view.ingest(lines, signal, key);
  switch (result.kind) {
    case "disabled":
      throw new ApiError(404, "disabled", "event ingestion not enabled", {
        hint: "add an input of type http to the configuration",
      });
    case "closed":
      throw new ApiError(503, "unavailable", "the agent is stopping", {
        facts: { accepted: result.accepted },
      });
    case "busy":
      throw new ApiError(429, "busy", "no room for more events", {
        facts: { accepted: result.accepted },
        headers: { "retry-after": String(Math.max(1, Math.ceil(result.retryAfterSeconds))) },
      });
    case "taken":
      break;
  }
  for (const { index, reason } of result.rejected) reject(numbers[index] ?? 0, reason);
  errors.sort((left, right) => left.line - right.line);
  if (rejected > 0 && lines.length === 0) {
    // Nothing but lines that are too long.
    throw new ApiError(413, "body_too_large", "line exceeds maximum size", {
      facts: { max_bytes: limits.ingestLineBytes, accepted: 0, rejected, errors },
    });
  }
  return json({ accepted: result.accepted, rejected, errors });
}
