/**
 * The Common Event Format of ArcSight and of those who write it as well.
 *
 * @see inputs.md, section 8
 */
import type { LogEvent } from "../event/event.ts";
import { DecodeError } from "./errors.ts";
import { FlatEvent } from "./flat_event.ts";
import { headerNames, hiddenFields, type Pairs, splitHeader } from "./key_value.ts";

const MARK = "CEF:";
const HEADER_NAMES = [
  "cef_version",
  "deviceVendor",
  "deviceProduct",
  "deviceVersion",
  "signatureId",
  "name",
  "severity",
] as const;
const HEADER_PIPES = HEADER_NAMES.length;
const HEADER = headerNames(HEADER_NAMES);
/** Versions are unsigned numbers of 32 bits. */
const MAX_VERSION = 0xffff_ffff;

/** Whether `text` begins as CEF does. */
export function isCef(text: string): boolean {
  return text.startsWith(MARK) && /^CEF: ?\d/.test(text);
}

/**
 * Decodes a line that contains CEF; what stands before it is ignored.
 *
 * The event has `cef_version`, `deviceVendor`, `deviceProduct`, `deviceVersion`, `signatureId`,
 * `name` and `severity`, then the extension's keys as they are written, all of them texts. A custom
 * field is there a second time under its label: `cs1Label=Rule cs1=x` gives `Rule` too, unless the
 * event has a field of that name. An extension that the header hides, such as `name`, answers to
 * `cef.ext.name`.
 *
 * @throws {DecodeError} `DECODE_CEF_HEADER`, `DECODE_CEF_VERSION`.
 */
export function decodeCef(line: string): LogEvent {
  const start = line.indexOf(MARK);
  if (start < 0) throw new DecodeError("DECODE_CEF_HEADER", 'Cannot decode CEF: no "CEF:"');
  const { parts, end } = splitHeader(line, start + MARK.length, HEADER_PIPES);
  if (end === undefined) {
    throw new DecodeError(
      "DECODE_CEF_HEADER",
      `Cannot decode CEF: the header has ${parts.length - 1} of ${HEADER_PIPES} pipes`,
    );
  }
  const extension = parseExtension(line.slice(end));
  const header: Pairs = HEADER_NAMES.map((name, index) =>
    [name, index === 0 ? version(parts[0]!) : parts[index]!] as const
  );
  const opened = hiddenFields("cef", HEADER, extension);
  addLabelled(extension, opened);
  return new FlatEvent(header.concat(extension), opened);
}

function version(text: string): string {
  if (text === "0" || text === "1") return text;
  const digits = text.trim();
  const number = /^\+?\d+$/.test(digits) ? Number(digits) : NaN;
  if (number <= MAX_VERSION) return String(number);
  // The text is from the log: a message is no place for all of it.
  const shown = JSON.stringify(digits.slice(0, 20));
  throw new DecodeError("DECODE_CEF_VERSION", `Cannot decode CEF: version ${shown} is no number`);
}

const SPACE = 32;
const EQUALS = 61;
const BACKSLASH = 92;

/**
 * `key=value …`, where values may hold blanks: a key is what stands between the last blank and a `=`
 * that no backslash escapes.
 */
function parseExtension(text: string): Pairs {
  const fields: (readonly [string, string])[] = [];
  const extension = text.trim();
  let key: string | undefined;
  let from = 0;
  let lastSpace = -1;
  let isEscaped = false;
  for (let at = 0; at < extension.length; at++) {
    const code = extension.charCodeAt(at);
    if (code === SPACE) lastSpace = at;
    else if (code === BACKSLASH) {
      isEscaped = true;
      at++;
    } else if (code === EQUALS) {
      const isSpaced = lastSpace >= from;
      if (key !== undefined) {
        fields.push([key, valueText(extension, from, isSpaced ? lastSpace : at, isEscaped)]);
      }
      // A value without a blank leaves the `=` behind it no key.
      key = key === undefined || isSpaced
        ? extension.slice(isSpaced ? lastSpace + 1 : from, at)
        : "";
      from = at + 1;
    }
  }
  if (key !== undefined) {
    fields.push([key, valueText(extension, from, extension.length, isEscaped)]);
  }
  return fields;
}

/**
 * The part of `text` between two places, trimmed and unescaped.
 *
 * The common case looks at two characters only: a part of a line costs little until it is read.
 */
function valueText(text: string, start: number, end: number, isEscaped: boolean): string {
  let from = start;
  let to = end;
  while (from < to && text.charCodeAt(from) === SPACE) from++;
  while (from < to && text.charCodeAt(to - 1) === SPACE) to--;
  let value = text.slice(from, to);
  if (from < to && !(isInk(text.charCodeAt(from)) && isInk(text.charCodeAt(to - 1)))) {
    value = value.trim();
  }
  return isEscaped && value.includes("\\")
    ? value.replace(/\\([=\\nr])/g, (_, character: string) => ESCAPES[character]!)
    : value;
}

/** Certainly not blank. */
function isInk(code: number): boolean {
  return code > SPACE && code < 128;
}

const ESCAPES: Readonly<Record<string, string>> = { "=": "=", "\\": "\\", n: "\n", r: "\r" };

/** A custom field is `cs1`, its label `cs1Label`. */
const CUSTOM_LABEL =
  /^((?:cs|cn|cfp|c6a|deviceCustomDate|flexString|flexDate|flexNumber)\d+)Label$/;
const LABEL = "Label";
const MIN_LABEL = "c1Label".length;

/**
 * Adds custom fields under their labels, of two with one label the first.
 *
 * An event's own fields count more than what is added: by a label no log can give another address.
 */
function addLabelled(extension: Pairs, added: (readonly [name: string, text: string])[]): void {
  let custom: Map<string, string> | undefined;
  let taken: Set<string> | undefined;
  for (let at = 0; at < extension.length; at++) {
    const [name, label] = extension[at]!;
    const key = name.length > MIN_LABEL && name.endsWith(LABEL)
      ? CUSTOM_LABEL.exec(name)?.[1]
      : undefined;
    if (key === undefined || label === "") continue;
    const text = (custom ??= customFields(extension)).get(key);
    if (text === undefined || (taken ??= new Set()).has(label)) continue;
    taken.add(label);
    added.push([label, text]);
  }
}

/** Fields whose names end in a digit; of a name that stands twice the first. */
function customFields(extension: Pairs): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, text] of extension) {
    const last = name.charCodeAt(name.length - 1);
    if (last >= DIGIT_0 && last <= DIGIT_9 && !fields.has(name)) fields.set(name, text);
  }
  return fields;
}

const DIGIT_0 = 48;
const DIGIT_9 = 57;
