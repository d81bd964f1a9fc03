/**
 * Lines that belong together to one event.
 *
 * Which lines are joined depends on their content and on three limits. Two of them, the number of
 * lines and of bytes, count the same when a file is read again; the third, the time after which an
 * unfinished event is given out, does not, so a record is named by where its first line stands.
 */
import type { AuditJoiner } from "../../decode/auditd/join.ts";
import { compileRegex } from "../../engine/regex/compile.ts";
import type { Multiline } from "../../runtime/settings.ts";
import { type AuditHeld, auditJoiner, AuditLines, type AuditPlace } from "./audit_lines.ts";
import type { LineTarget } from "./encoding.ts";
import { JsonJoiner } from "./multiline_json.ts";

/** Of one event: a stack trace of that size says no more when it goes on. */
export const MAX_JOINED_LINES = 500;
export const MAX_JOINED_BYTES = 256 << 10;

/**
 * Takes an event.
 *
 * @param offset Of its first line.
 * @param end Behind its first line.
 * @param char Where in that line it begins, in UTF-16 code units.
 */
export type OnJoined = (text: string, offset: number, end: number, char: number) => void;

/** Where to begin again so that the lines held back come again. */
export interface Held {
  /** Of the line; `undefined` if none is held back. */
  readonly offset: number | undefined;
  /** Characters of that line that have been given out. */
  readonly skip: number;
  /** Inside an array at the top of a JSON text. */
  readonly inArray: boolean;
  /** Of audit records: `until` is missing if all lines that were taken count. */
  readonly audit?: { readonly until: number | undefined; readonly firsts: readonly number[] };
}

/** Joins the lines it is given. */
export interface Joiner extends LineTarget {
  readonly held: Held;
  /** Gives out what is held back. */
  flush(): void;
}

/** Counts events that had to be cut because they reached a limit. */
export interface JoinCounts {
  joinLimits: number;
}

/**
 * @param from What an earlier joiner held when the position was taken.
 * @param audit For audit records: what the contents of an origin share, and what was held of them.
 * @throws {RegexError} for a pattern that cannot be used.
 */
export function makeJoiner(
  multiline: Multiline,
  onJoined: OnJoined,
  counts: JoinCounts,
  from?: { readonly skip: number; readonly inArray: boolean },
  audit: { readonly joiner?: AuditJoiner<AuditPlace>; readonly held?: AuditHeld | undefined } = {},
): Joiner {
  switch (multiline.kind) {
    case "indent":
      return new LineJoiner((text) => /^[ \t]/.test(text) ? "next" : "first", onJoined, counts);
    case "start": {
      const regex = compileRegex(multiline.pattern, "");
      return new LineJoiner((text) => regex.test(text) ? "first" : "next", onJoined, counts);
    }
    case "end": {
      const regex = compileRegex(multiline.pattern, "");
      return new LineJoiner((text) => regex.test(text) ? "last" : "next", onJoined, counts);
    }
    case "json":
      return new JsonJoiner(onJoined, counts, from);
    case "auditd":
      return new AuditLines(audit.joiner ?? auditJoiner(counts), onJoined, audit.held);
  }
}

/** What a line is in its event. */
type Role = "first" | "next" | "last";

class LineJoiner implements Joiner {
  readonly #roleOf: (text: string) => Role;
  readonly #onJoined: OnJoined;
  readonly #counts: JoinCounts;
  #lines: string[] = [];
  #offset = 0;
  #firstEnd = 0;

  constructor(roleOf: (text: string) => Role, onJoined: OnJoined, counts: JoinCounts) {
    this.#roleOf = roleOf;
    this.#onJoined = onJoined;
    this.#counts = counts;
  }

  get held(): Held {
    return {
      offset: this.#lines.length === 0 ? undefined : this.#offset,
      skip: 0,
      inArray: false,
    };
  }

  line(text: string, offset: number, end: number): void {
    const role = this.#roleOf(text);
    if (role === "first") this.flush();
    const bytes = end - this.#offset;
    const isFull = this.#lines.length >= MAX_JOINED_LINES || bytes > MAX_JOINED_BYTES;
    if (this.#lines.length > 0 && isFull) {
      this.#counts.joinLimits++;
      this.flush();
    }
    if (this.#lines.length === 0) {
      this.#offset = offset;
      this.#firstEnd = end;
    }
    this.#lines.push(text);
    if (role === "last") this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const text = this.#lines.join("\n");
    this.#lines = [];
    if (text !== "") this.#onJoined(text, this.#offset, this.#firstEnd, 0);
  }
}
