/**
 * `@base64` and its like: values to texts of some notation.
 */
import { jsonText } from "../../../event/json_text.ts";
import { isObject, type Value } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import { isArray, JqError, MAX_VALUE_DEPTH, membersOf, shown, tooDeep } from "./values.ts";

/** A value in a notation. */
export type Format = (value: Value, budget: Budget) => string;

/** The JSON text of a value; what JSON has no notation for is null, as everywhere in Picket. */
export function toJson(value: Value, budget: Budget): string {
  measure(value, budget, 0);
  const text = jsonText(value);
  budget.text(text.length);
  return text;
}

/** Counts what will be written, before it takes memory. */
function measure(value: Value, budget: Budget, depth: number): void {
  if (typeof value === "string") return budget.spend(value.length);
  budget.step();
  if (typeof value !== "object" || value === null) return;
  // `jsonText` cuts below this depth, and what was cut must not look complete.
  if (depth > MAX_VALUE_DEPTH / 2) throw tooDeep();
  const members = membersOf(value, budget);
  for (const member of members) measure(member, budget, depth + 1);
}

/** Texts as they are, anything else as JSON. */
export function toText(value: Value, budget: Budget): string {
  return typeof value === "string" ? value : toJson(value, budget);
}

/** The format of this name, with its `@`. */
export function formatter(name: string): Format | undefined {
  return FORMATS.get(name);
}

/** A format that changes the text of a value character by character. */
function rewriting(change: (text: string) => string): Format {
  return (value, budget) => {
    const text = toText(value, budget);
    budget.rewrite(text.length);
    const written = change(text);
    budget.text(written.length);
    return written;
  };
}

const FORMATS: ReadonlyMap<string, Format> = new Map<string, Format>([
  ["@text", toText],
  ["@json", toJson],
  ["@html", rewriting((text) => replaced(text, /[<>&'"]/g, HTML))],
  ["@uri", rewriting(percentEncoded)],
  ["@urid", rewriting(percentDecoded)],
  ["@csv", (value, budget) => row(value, ",", (text) => `"${text.replaceAll('"', '""')}"`, budget)],
  [
    "@tsv",
    (value, budget) => row(value, "\t", (text) => replaced(text, /[\t\n\r\\]/g, TSV), budget),
  ],
  ["@sh", shellText],
  ["@base64", rewriting((text) => base64(utf8(text)))],
  ["@base64d", rewriting(fromBase64)],
  ["@base32", rewriting((text) => base32(utf8(text)))],
  ["@base32d", rewriting(fromBase32)],
]);

const HTML: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "'": "&#39;",
  '"': "&quot;",
};
const TSV: Readonly<Record<string, string>> = {
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
  "\\": "\\\\",
};

function replaced(text: string, pattern: RegExp, by: Readonly<Record<string, string>>): string {
  return text.replace(pattern, (found) => by[found]!);
}

function row(
  value: Value,
  separator: string,
  quoted: (text: string) => string,
  budget: Budget,
): string {
  const name = separator === "," ? "csv" : "tsv";
  if (!isArray(value)) {
    throw new JqError(`${shown(value)} cannot be ${name}-formatted, only an array can be`);
  }
  return value.map((cell) => {
    budget.step();
    if (typeof cell === "string") {
      budget.rewrite(cell.length);
      return quoted(cell);
    }
    if (cell === null) return "";
    if (typeof cell !== "object") return jsonText(cell);
    throw new JqError(`${shown(cell)} is not valid in a ${name} row`);
  }).join(separator);
}

function shellText(value: Value, budget: Budget): string {
  const words = isArray(value) ? value : [value];
  return words.map((word) => {
    budget.step();
    if (typeof word === "string") {
      budget.rewrite(word.length);
      return `'${word.replaceAll("'", "'\\''")}'`;
    }
    if (isArray(word) || isObject(word)) {
      throw new JqError(`${shown(word)} can not be escaped for shell`);
    }
    return jsonText(word);
  }).join(" ");
}

const encoder = new TextEncoder();

function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function utf8Text(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function percentEncoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

function percentDecoded(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) {
    throw new JqError(`${shown(text)} is not a valid uri encoding`);
  }
  const bytes: number[] = [];
  const source = utf8(text);
  for (let at = 0; at < source.length; at++) {
    if (source[at] !== 0x25) bytes.push(source[at]!);
    else {
      bytes.push(parseInt(String.fromCharCode(source[at + 1]!, source[at + 2]!), 16));
      at += 2;
    }
  }
  return utf8Text(Uint8Array.from(bytes));
}

const BYTES_AT_ONCE = 8192;

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += BYTES_AT_ONCE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + BYTES_AT_ONCE));
  }
  return btoa(binary);
}

function fromBase64(text: string): string {
  // Padding may be missing, and characters behind it are not looked at.
  const digits = text.split("=", 1)[0]!;
  const wrong = (): JqError => new JqError(`${shown(text)} is not valid base64 data`);
  if (!/^[A-Za-z0-9+/]*$/.test(digits) || (digits.length === 1)) throw wrong();
  const whole = digits.length % 4 === 1 ? digits.slice(0, -1) : digits;
  const binary = atob(whole);
  return utf8Text(Uint8Array.from(binary, (one) => one.charCodeAt(0)));
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

function base32(bytes: Uint8Array): string {
  // Of bytes, as a text that grows digit by digit takes many times its size.
  const digits = new Uint8Array(Math.ceil(bytes.length / 5) * 8).fill("=".charCodeAt(0));
  let written = 0;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      digits[written++] = BASE32.charCodeAt((held >> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  if (bits > 0) digits[written] = BASE32.charCodeAt((held << (5 - bits)) & 31);
  return utf8Text(digits);
}

function fromBase32(text: string): string {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const digit of text.replace(/=+$/, "")) {
    const value = BASE32.indexOf(digit);
    if (value < 0) throw new JqError(`${shown(text)} is not valid base32 data`);
    held = (held << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 255);
    held &= (1 << bits) - 1;
  }
  return utf8Text(Uint8Array.from(bytes));
}
