/**
 * The Log Event Extended Format of QRadar, versions 1.0 and 2.0.
 *
 * @see IBM, "QRadar Log Event Extended Format (LEEF) Guide"
 */
import type { LogEvent } from "../event/event.ts";
import { DecodeError } from "./errors.ts";
import { FlatEvent, RAW_FIELD } from "./flat_event.ts";
import { headerNames, hiddenFields, type Pairs, splitHeader } from "./key_value.ts";

const MARK = "LEEF:";
const HEADER_NAMES = [
  "leef_version",
  "deviceVendor",
  "deviceProduct",
  "deviceVersion",
  "eventId",
] as const;
const HEADER = headerNames(HEADER_NAMES);
const TAB = "\t";

/** Whether `text` begins as LEEF does. */
export function isLeef(text: string): boolean {
  return text.startsWith(MARK) && /^LEEF: ?\d/.test(text);
}

/**
 * Decodes a line that contains LEEF; what stands before it is ignored.
 *
 * The event has `leef_version`, `deviceVendor`, `deviceProduct`, `deviceVersion` and `eventId` (the
 * names that CEF has for the same), then the attributes as they are written, all of them texts
 * without blanks around them. Text before the first attribute is `_raw`; an attribute that the header
 * hides, such as `eventId`, answers to `leef.ext.eventId`.
 *
 * Attributes are separated by tabs, in version 2.0 by the character that the header names, itself or
 * as `x5E`. Where there should be tabs and are none, as some devices write it, each ` key=` begins an
 * attribute.
 *
 * @throws {DecodeError} `DECODE_LEEF_HEADER`, `DECODE_LEEF_VERSION`.
 */
export function decodeLeef(line: string): LogEvent {
  const start = line.indexOf(MARK);
  if (start < 0) throw new DecodeError("DECODE_LEEF_HEADER", 'Cannot decode LEEF: no "LEEF:"');
  const { parts, end } = splitHeader(line, start + MARK.length, HEADER_NAMES.length);
  if (end === undefined) {
    throw new DecodeError(
      "DECODE_LEEF_HEADER",
      `Cannot decode LEEF: the header has ${parts.length - 1} of ${HEADER_NAMES.length} pipes`,
    );
  }
  const version = parts[0]!.trim();
  if (!/^\d{1,9}(?:\.\d{1,9})?$/.test(version)) {
    // The text is from the log: a message is no place for all of it.
    const shown = JSON.stringify(version.slice(0, 20));
    throw new DecodeError(
      "DECODE_LEEF_VERSION",
      `Cannot decode LEEF: version ${shown} is no number`,
    );
  }
  const header: Pairs = HEADER_NAMES.map((name, index) =>
    [name, index === 0 ? version : parts[index]!] as const
  );
  const attributes = parseInt(version, 10) < 2
    ? parseAttributes(line.slice(end), undefined)
    : parseWithDelimiter(line.slice(end));
  return new FlatEvent(header.concat(attributes), hiddenFields("leef", HEADER, attributes));
}

/** The longest way to write a delimiter, `0x` and four digits, and its pipe. */
const MAX_DELIMITER = 7;

/** Version 2.0; devices that leave the delimiter out leave its pipe out as well. */
function parseWithDelimiter(text: string): Pairs {
  const pipe = text.slice(0, MAX_DELIMITER).indexOf("|");
  const written = pipe < 0 ? undefined : text.slice(0, pipe);
  const hex = written === undefined ? null : /^0?x([\da-f]{1,4})$/i.exec(written);
  if (written === "") return parseAttributes(text.slice(1), undefined);
  if (hex !== null) {
    return parseAttributes(text.slice(pipe + 1), String.fromCharCode(parseInt(hex[1]!, 16)));
  }
  if (written !== undefined && [...written].length === 1) {
    return parseAttributes(text.slice(pipe + 1), written);
  }
  return parseAttributes(text, undefined);
}

/** A second attribute behind a blank. */
const LATER_KEY = /\s[A-Za-z_][\w.-]*=/;

/** @param delimiter `undefined` if the header names none: then it is a tab. */
function parseAttributes(text: string, delimiter: string | undefined): Pairs {
  if (delimiter === undefined && !text.includes(TAB) && LATER_KEY.test(text)) {
    return splitAtKeys(text);
  }
  const separator = delimiter ?? TAB;
  const fields: [string, string][] = [];
  for (const piece of text.split(separator)) {
    // Behind the last delimiter, if each attribute has one.
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    const last = fields.at(-1);
    if (equals > 0) fields.push([piece.slice(0, equals).trim(), piece.slice(equals + 1)]);
    // A value that holds the delimiter.
    else if (last !== undefined) last[1] += separator + piece;
    else if (piece.trim() !== "") fields.push([RAW_FIELD, piece]);
  }
  for (const field of fields) field[1] = field[1].trim();
  return fields;
}

const KEY = /(?:^|\s)([A-Za-z_][\w.-]*)=/g;

function splitAtKeys(text: string): Pairs {
  const fields: (readonly [string, string])[] = [];
  let name = RAW_FIELD;
  let from = 0;
  for (const match of text.matchAll(KEY)) {
    const value = text.slice(from, match.index).trim();
    if (name !== RAW_FIELD || value !== "") fields.push([name, value]);
    name = match[1]!;
    from = match.index + match[0].length;
  }
  fields.push([name, text.slice(from).trim()]);
  return fields;
}
