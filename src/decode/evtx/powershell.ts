/**
 * Fields of the classic "Windows PowerShell" log, whose events put everything in one text.
 */
import type { Value } from "../../event/value.ts";

/** By event id, which of the unnamed `Data` holds the lines. */
const DETAILS: ReadonlyMap<number, number> = new Map([[400, 2], [403, 2], [600, 2], [800, 1]]);
const NO_FIELDS: ReadonlyMap<string, string> = new Map();

/**
 * The `key=value` lines of a classic PowerShell event. A value may itself hold line breaks: only a
 * tab at the start makes a new line.
 *
 * @param row the event's unnamed `Data`.
 */
export function powerShellFields(
  eventId: number | undefined,
  row: Value | undefined,
): ReadonlyMap<string, string> {
  const index = DETAILS.get(eventId ?? -1);
  if (index === undefined || !Array.isArray(row)) return NO_FIELDS;
  const details = (row as readonly Value[])[index];
  if (typeof details !== "string") return NO_FIELDS;
  const fields = new Map<string, string>();
  for (const line of details.split(/(?:^|\r?\n)\t/)) {
    const trimmed = line.replace(/[\r\n]+$/, "");
    const equals = trimmed.indexOf("=");
    if (equals <= 0) continue;
    const key = trimmed.slice(0, equals).trim();
    if (!fields.has(key)) fields.set(key, trimmed.slice(equals + 1));
  }
  return fields;
}
