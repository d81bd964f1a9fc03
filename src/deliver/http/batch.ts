/**
 * Alerts put together into the body of one request.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Alert } from "../../runtime/alert.ts";

/** An alert and its place in the call of `send`. */
export interface Placed {
  readonly alert: Alert;
  readonly index: number;
}

/** Cuts alerts into groups whose bodies stay below `maxBytes`; one that is larger goes alone. */
export function groupByBytes(alerts: readonly Placed[], maxBytes: number): Placed[][] {
  const groups: Placed[][] = [];
  let bytes = Infinity;
  for (const placed of alerts) {
    // One more for the line end or comma.
    const size = Buffer.byteLength(placed.alert.body, "utf8") + 1;
    if (bytes + size > maxBytes) {
      groups.push([]);
      bytes = 1;
    }
    groups.at(-1)!.push(placed);
    bytes += size;
  }
  return groups;
}

/** The two halves of a group of at least two. */
export function halves(group: readonly Placed[]): readonly [Placed[], Placed[]] {
  const middle = group.length >> 1;
  return [group.slice(0, middle), group.slice(middle)];
}

/** One JSON object a line, each line ended. */
export function ndjson(group: readonly Placed[]): string {
  return group.map(({ alert }) => `${alert.body}\n`).join("");
}

export function jsonArray(group: readonly Placed[]): string {
  return `[${group.map(({ alert }) => alert.body).join(",")}]`;
}

/** Names a request: the alert's own id, or for several `pkb1-` and 32 hex digits over theirs. */
export function requestId(group: readonly Placed[]): string {
  if (group.length === 1) return group[0]!.alert.id;
  const hash = createHash("sha256");
  for (const { alert } of group) hash.update(`${alert.id}\n`);
  return `pkb1-${hash.digest("hex").slice(0, 32)}`;
}
