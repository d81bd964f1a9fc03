/**
 * Events that were picked out of others and have no text of their own.
 */
import type { LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import { lookup, someLeafText } from "../../event/lookup.ts";
import { isObject, scalarText, type Value } from "../../event/value.ts";
import { type WindowsShape, windowsShape } from "../windows_json.ts";

/** An event of a value with exact integers; answers as a `JsonEvent` of the same value. */
export class ValueEvent implements LogEvent {
  readonly #root: Value;
  /** `undefined` until asked, `null` if the event has none of the known nested shapes. */
  #shape: WindowsShape | null | undefined;

  constructor(root: Value) {
    this.#root = root;
  }

  get(field: Field): Value | undefined {
    const value = lookup(this.#root, field);
    if (value !== undefined) return value;
    if (this.#shape === undefined) this.#shape = windowsShape(this.#root) ?? null;
    return this.#shape === null ? undefined : this.#shape.get(field);
  }

  topKeys(): readonly string[] | undefined {
    if (!isObject(this.#root) || windowsShape(this.#root) !== undefined) return undefined;
    return Object.keys(this.#root);
  }

  someText(visit: (text: string) => boolean): boolean {
    return someLeafText(this.#root, scalarText, visit);
  }

  toValue(): Value {
    return this.#root;
  }
}
