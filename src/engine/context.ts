/**
 * What is known about the event at hand, shared by all rules.
 *
 * Nothing is cleared between events: a remembered answer carries the number of the event it belongs
 * to, so the next event only needs the next number.
 */
import type { LogEvent } from "../event/event.ts";
import { type Field, fieldCount } from "../event/field.ts";
import { Spellings, type Value } from "../event/value.ts";
import type { Scope } from "./pattern_test.ts";

const NO_NAMES: ReadonlyMap<string, readonly Field[]> = new Map();
/** An event before the first one, so that an unset context answers instead of failing. */
export const NO_EVENT: LogEvent = {
  get: () => undefined,
  someText: () => false,
  toValue: () => null,
};

/** Remembers field values and item results of one event at a time. */
export class EvaluationContext implements Scope {
  event: LogEvent = NO_EVENT;
  /** Counts events; answers stamped with another number are stale. */
  epoch = 0;
  #names: ReadonlyMap<string, readonly Field[]> = NO_NAMES;
  // At 150,000 events a second 32 bits would overflow, and old stamps look new, within a day.
  #valueStamps = new Float64Array(64);
  #lowerStamps = new Float64Array(64);
  readonly #values: (Value | undefined)[] = [];
  readonly #lowers: string[] = [];
  #textsEpoch = 0;
  readonly #texts: string[] = [];
  readonly #lowerTexts: (string | undefined)[] = [];

  /** Turns to the next event; its fields have their own names until `useNames` says otherwise. */
  begin(event: LogEvent): void {
    this.event = event;
    this.#names = NO_NAMES;
    this.epoch++;
    if (this.#valueStamps.length < fieldCount()) this.#grow();
  }

  #grow(): void {
    const size = fieldCount() * 2;
    const values = new Float64Array(size);
    values.set(this.#valueStamps);
    this.#valueStamps = values;
    const lowers = new Float64Array(size);
    lowers.set(this.#lowerStamps);
    this.#lowerStamps = lowers;
  }

  /** Sets the names that fields have in this event; call before values are read. */
  useNames(names: ReadonlyMap<string, readonly Field[]>): void {
    this.#names = names;
  }

  /** Whether fields are only found under their own names. */
  get hasPlainNames(): boolean {
    return this.#names.size === 0;
  }

  /** The value rules see: that of the first of the field's names that the event has. */
  value(field: Field): Value | undefined {
    const id = field.id;
    if (this.#valueStamps[id] === this.epoch) return this.#values[id];
    const value = readField(this.event, field, this.#names);
    if (id >= this.#valueStamps.length) this.#grow();
    this.#valueStamps[id] = this.epoch;
    this.#values[id] = value;
    return value;
  }

  /** The texts of all scalar leaves: what keywords are looked for in. */
  texts(): readonly string[] {
    if (this.#textsEpoch === this.epoch) return this.#texts;
    const texts = this.#texts;
    texts.length = 0;
    this.#lowerTexts.length = 0;
    this.event.someText((text) => {
      texts.push(text);
      return false;
    });
    this.#textsEpoch = this.epoch;
    return texts;
  }

  /** The lower-case form of the text of leaf `at`. */
  lowerText(at: number): string {
    return this.#lowerTexts[at] ??= this.texts()[at]!.toLowerCase();
  }

  /** The value as it stands in the event, without the second spelling of a GUID. */
  plainValue(field: Field): Value | undefined {
    return firstValue(this.event, field, this.#names);
  }

  /** The lower-case form of a field's text; `text` is what `value` gave. */
  lower(field: Field, text: string): string {
    const id = field.id;
    if (this.#lowerStamps[id] === this.epoch) return this.#lowers[id]!;
    const lower = text.toLowerCase();
    this.#lowerStamps[id] = this.epoch;
    this.#lowers[id] = lower;
    return lower;
  }
}

/**
 * Reads a field as rules see it: a GUID stored as bytes is offered in both of its spellings, a text
 * that goes on behind a NUL also as a whole.
 */
export function readField(
  event: LogEvent,
  field: Field,
  names: ReadonlyMap<string, readonly Field[]>,
): Value | undefined {
  const tried = names.get(field.name);
  if (tried === undefined) return spelled(event, field, event.get(field));
  for (const name of tried) {
    const value = event.get(name);
    if (value !== undefined) return spelled(event, name, value);
  }
  return undefined;
}

function spelled(event: LogEvent, name: Field, value: Value | undefined): Value | undefined {
  if (typeof value !== "string" || event.alternateText === undefined) return value;
  const other = event.alternateText(name);
  return other === undefined ? value : new Spellings(value, other);
}

function firstValue(
  event: LogEvent,
  field: Field,
  names: ReadonlyMap<string, readonly Field[]>,
): Value | undefined {
  const tried = names.get(field.name);
  if (tried === undefined) return event.get(field);
  for (const name of tried) {
    const value = event.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}
