/**
 * An event whose message has been opened: the fields it came with, and those its text tells.
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import type { TextGate } from "../../event/text_gate.ts";
import { isObject, type Value } from "../../event/value.ts";

/** Names that the event came with win over those of its message. */
export class OpenedEvent implements LogEvent {
  /** See `LogEvent.logsource`. */
  readonly logsource: ImpliedLogsource;
  readonly #base: LogEvent;
  readonly #added: LogEvent;

  /**
   * @param base An event that is an object.
   * @param added What its message tells; an object as well.
   * @param logsource What both tell.
   */
  constructor(base: LogEvent, added: LogEvent, logsource: ImpliedLogsource) {
    this.#base = base;
    this.#added = added;
    this.logsource = logsource;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    const own = this.#base.get(field);
    return own === undefined ? this.#added.get(field) : own;
  }

  /** See `LogEvent.topKeys`. */
  topKeys(): readonly string[] | undefined {
    const keys = this.#base.topKeys?.();
    const added = this.#added.topKeys?.();
    return keys === undefined || added === undefined ? undefined : [...keys, ...added];
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return this.#base.someText(visit) || this.#added.someText(visit);
  }

  /** See `LogEvent.mayContain`. */
  mayContain(gate: TextGate): boolean {
    return this.#base.mayContain?.(gate) !== false || this.#added.someText(gate.test);
  }

  /** One object with all fields. */
  toValue(): Value {
    const value = this.#base.toValue();
    const added = this.#added.toValue();
    if (!isObject(value) || !isObject(added)) return value;
    const names = Object.entries(added).filter(([name]) => !Object.hasOwn(value, name));
    return { ...value, ...Object.fromEntries(names) };
  }
}
