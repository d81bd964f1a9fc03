/**
 * JSON text to events.
 *
 * `JSON.parse` is the fastest reader there is, but it rounds integers beyond 2^53. So it is used
 * first, and the exact numbers are read from the text again only when a rule or a result asks for
 * one of them: the text is kept for that.
 */
import { PicketError } from "../event/errors.ts";
import type { LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { parseJsonText } from "../event/json_text.ts";
import { lookup, someLeafText } from "../event/lookup.ts";
import type { TextGate } from "../event/text_gate.ts";
import { scalarText, type Value, type ValueObject } from "../event/value.ts";
import { type WindowsShape, windowsShape } from "./windows_json.ts";

/** A line or document that is not an event. */
export class DecodeError extends PicketError {
  override readonly name = "DecodeError";
  readonly code: "DECODE_JSON" | "DECODE_TOO_LONG";

  constructor(code: DecodeError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

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

  someText(visit: (text: string) => boolean): boolean {
    this.#readExact();
    return someLeafText(this.#root, scalarText, visit);
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
    if (!LONG_DIGITS.test(this.#text)) return;
    this.#root = parseJsonText(this.#text);
    this.#shape = undefined;
  }
}

function mayBeRounded(value: Value | undefined): boolean {
  if (typeof value === "number") {
    return (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) &&
      Number.isInteger(value);
  }
  return typeof value === "object" && value !== null;
}

/**
 * Decodes one JSON document.
 *
 * However deep it nests: lookups and searches do not go below `MAX_EVENT_DEPTH`.
 *
 * @throws {DecodeError} `DECODE_JSON` if `text` is not JSON or not an object or array.
 */
export function decodeJson(text: string): JsonEvent {
  let root: Value;
  try {
    root = JSON.parse(text) as Value;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DecodeError("DECODE_JSON", `Cannot decode JSON: ${reason}`, { cause: error });
  }
  if (typeof root !== "object" || root === null) {
    throw new DecodeError("DECODE_JSON", "Cannot decode JSON: an event must be an object");
  }
  return new JsonEvent(root, text);
}
