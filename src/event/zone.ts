/**
 * Time zones for clock times that do not tell theirs.
 */
import { PicketError } from "./errors.ts";

/** What a clock shows beside UTC: always the same, or by the rules of a place. */
export type TimeZone =
  | { readonly kind: "fixed"; readonly minutes: number }
  /** An IANA name, such as `Europe/Berlin`. */
  | { readonly kind: "named"; readonly name: string };

/** The zone of times without one, unless stated otherwise. */
export const UTC: TimeZone = { kind: "fixed", minutes: 0 };

/** A text that names no time zone. */
export class TimeZoneError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "TimeZoneError";
  readonly code = "TIME_ZONE";
}

const OFFSET = /^([+-])(\d\d):(\d\d)$/;
/** `Intl` knows offsets as names as well, in notations that are refused here. */
const NAME = /^[a-z][a-z0-9_+-]*(?:\/[a-z0-9_+-]+)*$/i;
/** The farthest east that anybody lives is +14:00. */
const MAX_MINUTES = 14 * 60 + 59;

/**
 * Reads a time zone as options and configuration write it.
 *
 * @param text `+HH:MM`, `-HH:MM`, `UTC`, `utc`, `Z`, or an IANA name in any case; blanks around it
 *   count as nothing.
 * @throws {TimeZoneError} If it is none of these; `+0530` is not.
 * @see inputs.md, section 1
 */
export function parseTimeZone(text: string): TimeZone {
  const written = text.trim();
  if (/^(?:UTC|utc|Z)$/.test(written)) return UTC;
  const offset = OFFSET.exec(written);
  if (offset !== null) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    if (Number(offset[3]) < 60 && minutes <= MAX_MINUTES) {
      return { kind: "fixed", minutes: offset[1] === "-" ? 0 - minutes : minutes };
    }
  }
  if (!NAME.test(written)) {
    throw new TimeZoneError(
      `Invalid timezone offset: '${text}' (expected +HH:MM or -HH:MM)`,
    );
  }
  const zone: TimeZone = { kind: "named", name: written };
  try {
    rulesOf(written);
  } catch (error) {
    throw new TimeZoneError(
      `Invalid timezone: '${text}' (expected +HH:MM, -HH:MM, UTC or a name such as Europe/Berlin)`,
      { cause: error },
    );
  }
  return zone;
}

/**
 * How far a zone is east of UTC, in minutes, when its clocks show a time.
 *
 * A time that its clocks show twice in autumn is the first of the two; one that they skip in spring is
 * read as if they had not been put forward yet.
 *
 * @param localMs What the clocks show, as Unix milliseconds of the same date and time in UTC.
 * @throws {RangeError} For a zone that `parseTimeZone` would not have given.
 */
export function offsetMinutes(zone: TimeZone, localMs: number): number {
  return zone.kind === "fixed" ? zone.minutes : rulesOf(zone.name).offsetAt(localMs);
}

const rules = new Map<string, ZoneRules>();

function rulesOf(name: string): ZoneRules {
  let known = rules.get(name);
  if (known === undefined) rules.set(name, known = new ZoneRules(name));
  return known;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Clocks are changed at the full quarter of an hour, so within one they keep their offset. */
const BLOCK_MS = 900_000;
/** Six weeks of logs, some hundred kilobytes. */
const MAX_BLOCKS = 4096;

/** What `Intl` knows of a zone; asking it takes microseconds, so that answers are kept. */
class ZoneRules {
  readonly #format: Intl.DateTimeFormat;
  readonly #blocks = new Map<number, number>();

  /** Throws if `Intl` does not know the zone. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  offsetAt(localMs: number): number {
    const block = Math.floor(localMs / BLOCK_MS);
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const offset = this.#find(block * BLOCK_MS);
    if (this.#blocks.size >= MAX_BLOCKS) this.#blocks.clear();
    this.#blocks.set(block, offset);
    return offset;
  }

  #find(localMs: number): number {
    const before = this.#at(localMs - DAY_MS);
    const after = this.#at(localMs + DAY_MS);
    if (before === after || this.#at(localMs - before * MINUTE_MS) === before) return before;
    return this.#at(localMs - after * MINUTE_MS) === after ? after : before;
  }

  /** At an instant. */
  #at(unixMs: number): number {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(unixMs)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    const clock = Date.UTC(year, month - 1, day, hour, minute, second);
    // Before there was a common time, places had seconds of their own.
    return Math.round((clock - Math.floor(unixMs / 1000) * 1000) / MINUTE_MS);
  }
}
