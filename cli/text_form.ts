/**
 * What the first bytes of an input tell: JSON in which arrangement, other lines, or no text at all.
 */
import { detectEncoding, type Encoding, NUL_RUN, Utf16Blocks } from "../src/decode/encoding.ts";
import { isAudit } from "../src/decode/auditd/event.ts";
import type { LineFormat } from "../src/decode/parse_line.ts";

/** So many bytes of an input are looked at. */
export const HEAD_BYTES = 4096;

/** How an input is read that is text. */
export interface TextForm {
  /** A record a line, or JSON in another arrangement. */
  readonly kind: "lines" | "json";
  /** Of lines. */
  readonly format: LineFormat;
  /** The first line is JSON, so what begins so and is not is damaged. */
  readonly expectsJson: boolean;
  /** The first line is an audit record: several lines are one event. */
  readonly isAudit: boolean;
  readonly encoding: Encoding;
}

/** Not JSON: `[` and `{` begin text as well, such as `[  0.5] Linux version` and `{core} ready`. */
const JSON_START = /^(?:\{\s*(?:["}]|$)|\[\s*(?:[{\]]|$))/;

/**
 * How to read an input that begins with `head`.
 *
 * @param head Its first `HEAD_BYTES` bytes, fewer if there are no more.
 * @param format As the user said; `auto` looks at `head` as well.
 * @param isNamedJson Its name says that it is JSON.
 * @returns `undefined` if it is binary, which no stated format is held to be.
 */
export function textForm(
  head: Uint8Array,
  format: LineFormat,
  isNamedJson: boolean,
): TextForm | undefined {
  const encoding = detectEncoding(head);
  const text = headText(head, encoding);
  const lines = { kind: "lines", format, expectsJson: false, isAudit: false, encoding } as const;
  if (format === "json" || (format === "auto" && isNamedJson)) {
    return { ...lines, kind: jsonKind(text, head.length < HEAD_BYTES), format: "json" };
  }
  if (format !== "auto") return { ...lines, isAudit: format === "auditd" };
  if (JSON_START.test(text)) {
    return { ...lines, kind: jsonKind(text, head.length < HEAD_BYTES), expectsJson: true };
  }
  return isBinary(head, encoding)
    ? undefined
    : { ...lines, isAudit: text.split("\n").some(isAudit) };
}

/** The text of `head` from its first character that is neither blank nor NUL. */
function headText(head: Uint8Array, encoding: Encoding): string {
  const bytes = encoding === "utf-16le" || encoding === "utf-16be"
    ? new Utf16Blocks(encoding).push(head)
    : head;
  // The mark of the byte order is taken away by the decoder.
  return new TextDecoder().decode(bytes).replace(/^[\0\s\ufeff]+/, "");
}

/**
 * Whether the first line is an event of its own.
 *
 * @param text The beginning; if its first line is longer, it must be.
 * @param isAll There is no more.
 */
export function jsonKind(text: string, isAll: boolean): "lines" | "json" {
  if (text.startsWith("[")) return "json";
  if (!text.startsWith("{")) return "lines";
  const end = text.indexOf("\n");
  // Pretty-printed JSON has a line end soon; a long first line is one event.
  if (end < 0) return isAll ? "json" : "lines";
  // What continues on the next line ends in an opening bracket or a comma; anything else is a line
  // of its own, even if it is damaged.
  return /[{[,]$/.test(text.slice(0, end).trimEnd()) ? "json" : "lines";
}

/** Of the bytes of a text so many may be NULs: who writes one into a log must not hide it. */
const MAX_STRAY_NULS = 1 / 16;

/**
 * Whether there are NULs other than those that a crash leaves in a log, runs in front of a line, and
 * a few inside of what is otherwise text.
 */
function isBinary(head: Uint8Array, encoding: Encoding): boolean {
  if (encoding !== "utf-8") return false;
  let stray = 0;
  for (let at = head.indexOf(0); at >= 0; at = head.indexOf(0, at)) {
    const isLineStart = at === 0 || head[at - 1] === LF;
    const start = at;
    while (head[at] === 0) at++;
    // Nothing but NULs: there may be text behind them, but databases begin so as well.
    if (start === 0 && at === head.length) return true;
    const isRun = at - start >= NUL_RUN || at === head.length;
    if (!isLineStart || !isRun) stray += at - start;
  }
  return stray > 0 && (stray > head.length * MAX_STRAY_NULS || head.some(isNoText));
}

/** Control characters that no log has: others end lines, move the cursor or begin colours. */
function isNoText(byte: number): boolean {
  return byte !== 0 && byte < 32 && !(byte >= 7 && byte <= 13) && byte !== ESCAPE;
}

const LF = 10;
const ESCAPE = 27;
