/**
 * An event whose message has been opened: the fields it came with, and those its text tells.
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import type { TextGate } from "../../event/text_gate.ts";
import { isObject, type Value } from "../../event/value.ts";
import { FlatEvent } from "../flat_event.ts";
import type { OpenedMessage } from "./open.ts";

/** Names that the event came with win over those of its message. */
export class OpenedEvent implements LogEvent {
  /** See `LogEvent.logsource`. */
  readonly logsource: ImpliedLogsource;
  readonly #base: LogEvent;
  readonly #fields: OpenedMessage["fields"];
  readonly #added: FlatEvent;

  /** @param base An event that is an object. */
  constructor(base: LogEvent, { fields, logsource }: OpenedMessage) {
    this.#base = base;
    this.logsource = logsource;
    this.#fields = fields;
    this.#added = new FlatEvent(fields);
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    const own = this.#base.get(field);
    return own === undefined ? this.#added.get(field) : own;
  }

  /** See `LogEvent.topKeys`. */
  topKeys(): readonly string[] | undefined {
    const keys = this.#base.topKeys?.();
    return keys === undefined ? undefined : [...keys, ...this.#added.topKeys()];
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return this.#base.someText(visit) || this.#added.someText(visit);
  }

  /** See `LogEvent.mayContain`. */
  mayContain(gate: TextGate): boolean {
    return this.#base.mayContain?.(gate) !== false ||
      this.#fields.some(([, text]) => gate.test(text));
  }

  /** One object with all fields. */
  toValue(): Value {
    const value = this.#base.toValue();
    if (!isObject(value)) return value;
    const added = this.#fields.filter(([name]) => !Object.hasOwn(value, name));
    return { ...value, ...Object.fromEntries(added) };
  }
}
