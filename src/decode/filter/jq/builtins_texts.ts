/**
 * Built-in functions on texts.
 */
import { parseJsonText } from "../../../event/json_text.ts";
import { parseStrictNumber, type Value } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import { toJson, toText } from "./formats.ts";
import { computed, type Native, simple } from "./machine.ts";
import {
  combine,
  exact,
  isArray,
  isNumber,
  JqError,
  membersOf,
  shown,
  split,
  typeName,
} from "./values.ts";

export function textOf(value: Value, what: string): string {
  if (typeof value === "string") return value;
  throw new JqError(`${shown(value)} ${what}`);
}

function onText(what: string, compute: (text: string, budget: Budget) => Value): Native {
  return simple((input, budget) => {
    const text = textOf(input, what);
    budget.spend(text.length);
    return compute(text, budget);
  });
}

/** Whether a text begins or ends with another. */
function ends(name: string, test: (text: string, part: string) => boolean): Native {
  return computed((input, [part], budget) => {
    if (typeof input !== "string" || typeof part !== "string") {
      throw new JqError(`${name}() requires string inputs`);
    }
    budget.spend(part.length);
    return test(input, part);
  });
}

/** A text without another at one or both ends; anything else as it is. */
function stripped(atStart: boolean, atEnd: boolean): Native {
  return computed((input, [part], budget) => {
    if (typeof input !== "string" || typeof part !== "string" || part === "") return input;
    budget.spend(part.length);
    const text = atStart && input.startsWith(part) ? input.slice(part.length) : input;
    return atEnd && text.endsWith(part) ? text.slice(0, -part.length) : text;
  });
}

function join(input: Value, separator: Value, budget: Budget): Value {
  const items = membersOf(input, budget);
  if (items.length === 0) return "";
  let length = 0;
  const texts = items.map((item) => {
    // Numbers and booleans are written, null is nothing; adding says what is wrong with others.
    const text = item === null
      ? ""
      : typeof item === "boolean" || isNumber(item)
      ? toText(item, budget)
      : item;
    if (typeof text !== "string") return combine("+", "", text, budget) as never;
    length += text.length;
    return text;
  });
  if (items.length === 1 && separator === null) return texts[0]!;
  const between = textOf(separator, "cannot be added to a string");
  budget.text(length + between.length * items.length);
  return texts.join(between);
}

function toNumber(input: Value, budget: Budget): Value {
  if (isNumber(input)) return input;
  const text = textOf(input, "cannot be parsed as a number");
  budget.rewrite(text.length);
  if (/^-?\d{16,40}$/.test(text)) return exact(BigInt(text));
  const value = /^[-+.\d]/.test(text) ? parseStrictNumber(text) : text === "nan" ? NaN : undefined;
  if (value === undefined) throw new JqError(`${shown(input)} cannot be parsed as a number`);
  return value;
}

function fromJson(text: string, budget: Budget): Value {
  budget.rewrite(text.length);
  if (text.trim() === "nan") return null;
  try {
    return /\d{16}/.test(text) ? parseJsonText(text) : JSON.parse(text) as Value;
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new JqError(`${shown(text)} cannot be parsed as JSON`);
    }
    throw error;
  }
}

function explode(text: string, budget: Budget): Value {
  budget.rewrite(text.length);
  return Array.from(text.toWellFormed(), (one) => one.codePointAt(0)!);
}

function implode(input: Value, budget: Budget): Value {
  if (!isArray(input)) throw new JqError(`${shown(input)} cannot be imploded, must be an array`);
  budget.spend(input.length * 4);
  let text = "";
  for (const one of input) {
    const code = typeof one === "number" ? one : NaN;
    if (Number.isNaN(code)) {
      throw new JqError("Unicode codepoint must be numeric");
    }
    const isCharacter = code >= 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
    text += isCharacter ? String.fromCodePoint(Math.trunc(code)) : "\ufffd";
  }
  return text;
}

/** Only ASCII letters, whatever the locale. */
function asciiCase(pattern: RegExp, change: (letters: string) => string): Native {
  return onText("cannot be changed to another case", (text, budget) => {
    budget.rewrite(text.length);
    return text.replace(pattern, change);
  });
}

const TRIMMED = "cannot be trimmed";

export const TEXTS: Readonly<Record<string, Native>> = {
  "tostring/0": simple(toText),
  "tojson/0": simple(toJson),
  "tonumber/0": simple(toNumber),
  "toboolean/0": simple((input) => {
    if (typeof input === "boolean") return input;
    if (input === "true" || input === "false") return input === "true";
    throw new JqError(`${shown(input)} cannot be parsed as a boolean`);
  }),
  "fromjson/0": onText("cannot be parsed as JSON", fromJson),
  "type/0": simple(typeName),
  "utf8bytelength/0": onText(
    "only strings have UTF-8 byte length",
    (text) => new TextEncoder().encode(text).length,
  ),
  "startswith/1": ends("startswith", (text, part) => text.startsWith(part)),
  "endswith/1": ends("endswith", (text, part) => text.endsWith(part)),
  "ltrimstr/1": stripped(true, false),
  "rtrimstr/1": stripped(false, true),
  "trimstr/1": stripped(true, true),
  "trim/0": onText(TRIMMED, (text) => text.trim()),
  "ltrim/0": onText(TRIMMED, (text) => text.trimStart()),
  "rtrim/0": onText(TRIMMED, (text) => text.trimEnd()),
  "ascii_downcase/0": asciiCase(/[A-Z]+/g, (letters) => letters.toLowerCase()),
  "ascii_upcase/0": asciiCase(/[a-z]+/g, (letters) => letters.toUpperCase()),
  "explode/0": onText("cannot be exploded", explode),
  "implode/0": simple(implode),
  "split/1": computed((input, [separator], budget) => {
    if (typeof input !== "string" || typeof separator !== "string") {
      throw new JqError("split input and separator must be strings");
    }
    return split(input, separator, budget);
  }),
  "join/1": computed((input, [separator], budget) => join(input, separator!, budget)),
};
