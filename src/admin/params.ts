/**
 * Query parameters that several routes have, and the pages of lists.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { LEVELS } from "../sigma/rule.ts";
import { parseDuration } from "../runtime/duration.ts";
import { jsonText } from "./route.ts";

/** A whole number that is not negative. */
export const wholeNumber = z.string().regex(/^\d{1,15}$/, "expected a whole number")
  .meta({ type: "integer", minimum: 0 }).transform(Number);

/** `1`, `true` or nothing at all; `0` or `false`. */
export const flag = z.enum(["", "1", "true", "0", "false"], {
  error: "expected 1 or 0",
}).transform((text) => text !== "0" && text !== "false");

export const levelParameter = z.enum(LEVELS as readonly ["low", ...typeof LEVELS[number][]], {
  error: `expected one of ${LEVELS.join(", ")}`,
});

/** Milliseconds. */
export const durationParameter = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  context.addIssue("expected a duration such as 30s or 1m 30s");
  return z.NEVER;
});

export const pageParameters = { limit: wholeNumber.optional(), offset: wholeNumber.optional() };

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** The page that was asked for; too large ones are cut. */
export function page(
  query: { readonly limit?: number | undefined; readonly offset?: number | undefined },
): { readonly limit: number; readonly offset: number } {
  return { limit: Math.min(query.limit ?? DEFAULT_PAGE, MAX_PAGE), offset: query.offset ?? 0 };
}

/** One page of `all`, with where the next one begins. */
export function paged<T>(
  all: readonly T[],
  { limit, offset }: { readonly limit: number; readonly offset: number },
): { items: T[]; total: number; offset: number; limit: number; next_offset: number | null } {
  const items = all.slice(offset, offset + limit);
  const next = offset + items.length;
  return {
    items,
    total: all.length,
    offset,
    limit,
    next_offset: next < all.length && items.length > 0 ? next : null,
  };
}

/** The schema of `paged`. */
export function pageOf<T extends z.ZodType>(items: T) {
  return {
    items: z.array(items),
    total: z.int(),
    offset: z.int(),
    limit: z.int(),
    next_offset: z.int().nullable(),
  };
}

/** A JSON answer with an `ETag`, or 304 when the client has it. */
export function jsonWithEtag(request: Request, value: unknown): Response {
  const text = JSON.stringify(value);
  const etag = `"${createHash("sha256").update(text).digest("hex").slice(0, 24)}"`;
  const known = request.headers.get("if-none-match");
  const same = known !== null &&
    (known.trim() === "*" ||
      known.split(",").some((one) => one.trim().replace(/^W\//, "") === etag));
  // The answer depends on who asks, and caches in between know nothing of that.
  const headers = { etag, "cache-control": "private, no-cache" };
  return same ? new Response(null, { status: 304, headers }) : jsonText(text, 200, headers);
}
