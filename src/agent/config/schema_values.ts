/**
 * The kinds of leaves that the configuration is made of.
 *
 * Nothing is transformed here: a checked configuration is still what somebody could have written,
 * so it can be shown and loaded again. `settings.ts` turns it into numbers.
 */
import { z } from "zod";
import { DURATION, parseDuration } from "../../runtime/duration.ts";
import { parseSize, SIZE } from "./units.ts";

/** What a leaf is, beyond its type; asked by paths, masking and suggestions. */
export type LeafKind = "path" | "url" | "duration" | "size" | "secret_place" | "headers";

/** Which leaves are special. */
export const leafKinds = z.registry<{ readonly kind: LeafKind }>();

/** Timers of both runtimes hold 2^31 - 1 milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;

/** Text of at least one character. */
export function text(): z.ZodString {
  return z.string().min(1, { error: "must not be empty" });
}

/** A file, socket or directory; taken relative to the file that names it. */
export function path(): z.ZodString {
  return text().register(leafKinds, { kind: "path" });
}

export function url(): z.ZodString {
  return text().register(leafKinds, { kind: "url" });
}

const DURATION_HELP = "must be a duration with units, such as 30s, 5m or 1h 30m";

/** How long to wait for something, from `minMs` to 24 days. */
export function wait(minMs = 1): z.ZodString {
  return duration(minMs, MAX_TIMER_MS);
}

/** A length of time that no timer measures. */
export function age(): z.ZodString {
  return duration(0, Number.MAX_SAFE_INTEGER);
}

function duration(minMs: number, maxMs: number): z.ZodString {
  return z.string({ error: DURATION_HELP })
    .regex(DURATION, { error: DURATION_HELP, abort: true })
    .refine((written) => parseDuration(written) !== undefined, {
      error: "is longer than 100 years",
      abort: true,
    })
    .refine((written) => (parseDuration(written) ?? minMs) >= minMs, {
      error: `must be at least ${minMs}ms`,
    })
    .refine((written) => (parseDuration(written) ?? maxMs) <= maxMs, {
      error: "must be at most 24 days",
    })
    .register(leafKinds, { kind: "duration" });
}

const SIZE_HELP = "must be a size, such as 512MiB, 64KiB, or a whole number of bytes";

/** Bytes, from `min` to `max`. */
export function size(
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): z.ZodUnion<readonly [z.ZodInt, z.ZodString]> {
  return z.union([
    z.int().min(0),
    z.string().regex(SIZE, { error: SIZE_HELP, abort: true }),
  ], { error: SIZE_HELP })
    .refine((written) => sizeBytes(written) !== undefined, { error: SIZE_HELP, abort: true })
    .refine((written) => (sizeBytes(written) ?? min) >= min, {
      error: `must be at least ${min} bytes`,
    })
    .refine((written) => (sizeBytes(written) ?? max) <= max, {
      error: `must be at most ${max} bytes`,
    })
    .register(leafKinds, { kind: "size" });
}

/** The bytes that a checked size stands for. */
export function sizeBytes(written: number | string): number | undefined {
  return typeof written === "number" ? written : parseSize(written);
}

/** A whole number, from `min` to `max`. */
export function count(min: number, max: number): z.ZodInt {
  return z.int().min(min).max(max);
}

/** The name of an environment variable that holds a secret. */
export function secretEnv(): z.ZodString {
  // The message must not repeat the value: it may be the secret itself.
  return z.string({ error: "must be the name of an environment variable" })
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
      error: "must be the name of an environment variable, not the secret itself",
    })
    .register(leafKinds, { kind: "secret_place" });
}

/** The path of a file that holds a secret and nothing else. */
export function secretFile(): z.ZodString {
  return path();
}

/** Names for labels, header names and their like, with text that may be written without quotes. */
export function texts(
  key: z.ZodString,
): z.ZodRecord<z.ZodString, z.ZodUnion<readonly [z.ZodString, z.ZodNumber, z.ZodBoolean]>> {
  return z.record(key, z.union([z.string(), z.number(), z.boolean()], { error: "must be text" }));
}

/** Names of sources and sinks: they stand in metrics, positions and alert ids. */
export function id(): z.ZodString {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error: "must be 1 to 64 letters, digits, dots, dashes or underscores",
  });
}

/** Names of HTTP and NATS headers. */
export function headerName(): z.ZodString {
  return z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, {
    error: "must be the name of a header",
  });
}
