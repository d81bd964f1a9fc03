/**
 * JSON text to events.
 *
 * `JSON.parse` is the fastest reader there is, but it rounds integers beyond 2^53. So it is used
 * first, and the exact numbers are read from the text again only when a rule or a result asks for
 * one of them: the text is kept for that.
 */
import type { LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { parseJsonText } from "../event/json_text.ts";
import { lookup, MAX_EVENT_DEPTH, someLeafText } from "../event/lookup.ts";
import type { TextGate } from "../event/text_gate.ts";
import { isObject, scalarText, type Value, type ValueObject } from "../event/value.ts";
import { DecodeError } from "./errors.ts";
import { someValueLeaf } from "./leaf_names.ts";
import { type WindowsShape, windowsShape } from "./windows_json.ts";

const LONG_DIGITS = /\d{16}/;

/** An event decoded from a JSON object, array or scalar. */
export class JsonEvent implements LogEvent {
  #root: Value;
  readonly #text: string;
  #exact = false;
  /** `undefined` until asked, `null` if the event has none of the known nested shapes. */
  #shape: WindowsShape | null | undefined;

  /** @param text What `root` was parsed from: exact integers are read from it on demand. */
  constructor(root: Value, text: string) {
    this.#root = root;
    this.#text = text;
  }

  get(field: Field): Value | undefined {
    const root = this.#root;
    let value: Value | undefined;
    if (!field.inherited && typeof root === "object" && root !== null && !Array.isArray(root)) {
      value = (root as ValueObject)[field.name];
      if (value === undefined) value = this.#lookupNested(field);
    } else {
      value = lookup(root, field);
    }
    if (!this.#exact && mayBeRounded(value)) {
      this.#readExact();
      return this.get(field);
    }
    return value;
  }

  #lookupNested(field: Field): Value | undefined {
    if (field.path !== undefined) {
      const value = lookup(this.#root, field);
      if (value !== undefined) return value;
    }
    if (this.#shape === undefined) this.#shape = windowsShape(this.#root) ?? null;
    return this.#shape === null ? undefined : this.#shape.get(field);
  }

  topKeys(): readonly string[] | undefined {
    const root = this.#root;
    if (!isObject(root) || windowsShape(root) !== undefined) return undefined;
    return Object.keys(root);
  }

  someText(visit: (text: string) => boolean): boolean {
    this.#readExact();
    return someLeafText(this.#root, scalarText, visit);
  }

  /** Names do not depend on how exactly numbers were read. */
  someFieldName(visit: (name: string) => boolean): boolean {
    return someValueLeaf(this.#root, visit);
  }

  mayContain(gate: TextGate): boolean {
    return gate.json.test(this.#text);
  }

  toValue(): Value {
    this.#readExact();
    return this.#root;
  }

  /** Replaces rounded integers by exact ones, once. */
  #readExact(): void {
    if (this.#exact) return;
    this.#exact = true;
    const root = this.#root;
    if (isObject(root)) {
      const deeper = Object.values(root).some((member) =>
        typeof member === "object" && someRounded(member, 1)
      );
      const exact = deeper ? undefined : withExactMembers(root, this.#text);
      this.#root = exact ?? parseJsonText(this.#text);
    } else if (LONG_DIGITS.test(this.#text)) this.#root = parseJsonText(this.#text);
    this.#shape = undefined;
  }
}

/** Whether a rounded integer is in a value, as deep as rules look. */
function someRounded(value: Value, depth: number): boolean {
  if (typeof value !== "object" || value === null) return isRounded(value);
  if (depth > MAX_EVENT_DEPTH) return false;
  const members = Array.isArray(value) ? value as readonly Value[] : Object.values(value);
  return members.some((member) => someRounded(member, depth + 1));
}

/**
 * An object whose own rounded integers are read from the text again: much cheaper than parsing all of
 * it in a way that keeps them.
 *
 * @returns `undefined` if a member cannot be found in the text beyond doubt.
 */
function withExactMembers(root: ValueObject, text: string): ValueObject | undefined {
  let exact: Record<string, Value> | undefined;
  for (const key in root) {
    if (!isRounded(root[key]!)) continue;
    const written = `${JSON.stringify(key)}:`;
    const at = text.indexOf(written);
    // Written with blanks or escapes, or twice: then the last one counts, or it is inside a text.
    if (at < 0 || text.includes(written, at + 1)) return undefined;
    LONG_INTEGER.lastIndex = at + written.length;
    const digits = LONG_INTEGER.exec(text);
    // A nested member of the same name may have been found instead: its digits are others, since
    // none below is rounded.
    if (digits === null || Number(digits[1]) !== root[key]) return undefined;
    exact ??= { ...root };
    exact[key] = BigInt(digits[1]!);
  }
  return exact ?? root;
}

/** An integer of 16 to 20 digits that is not the beginning of another number. */
const LONG_INTEGER = /\s*(-?\d{16,20})(?![\d.eE])/y;

function mayBeRounded(value: Value | undefined): boolean {
  return typeof value === "number" ? isRounded(value) : typeof value === "object" && value !== null;
}

function isRounded(value: Value): boolean {
  return typeof value === "number" && !Number.isSafeInteger(value) && Number.isInteger(value);
}

/**
 * Decodes one JSON document.
 *
 * However deep it nests: lookups and searches do not go below `MAX_EVENT_DEPTH`.
 *
 * @throws {DecodeError} `DECODE_JSON` if `text` is not JSON or not an object or array.
 */
export function decodeJson(text: string): JsonEvent {
  const root = parse(text);
  if (typeof root !== "object" || root === null) {
    throw new DecodeError("DECODE_JSON", "Cannot decode JSON: an event must be an object");
  }
  return new JsonEvent(root, text);
}

/**
 * Decodes a line that is known to be JSON, where a text or number by itself is an event without
 * fields.
 *
 * @throws {DecodeError} `DECODE_JSON` if `text` is not JSON.
 */
export function decodeJsonLine(text: string): JsonEvent {
  return new JsonEvent(parse(text), text);
}

function parse(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DecodeError("DECODE_JSON", `Cannot decode JSON: ${reason}`, { cause: error });
  }
}
