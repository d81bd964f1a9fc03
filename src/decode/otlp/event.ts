/**
 * Events that came as log records of OTLP.
 *
 * A record's own members stand beside those of its resource and scope. The latter belong to a
 * thousand records alike, so they are kept once and looked up, never copied.
 *
 * @see inputs.md, section 10.2
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import { lookup, someLeafText } from "../../event/lookup.ts";
import { isObject, scalarText, type Value, type ValueObject } from "../../event/value.ts";
import { RAW_FIELD } from "../flat_event.ts";
import { type WindowsShape, windowsShape } from "../windows_json.ts";

/** One log record. */
export class OtlpEvent implements LogEvent {
  readonly #own: ValueObject;
  readonly #shared: ValueObject;
  /** `undefined` until asked, `null` if the record is no Windows event. */
  #shape: WindowsShape | null | undefined;

  /**
   * @param own What the record has by itself.
   * @param shared What its resource and scope have; in flat names, which go before those of `own`.
   */
  constructor(own: ValueObject, shared: ValueObject) {
    this.#own = own;
    this.#shared = shared;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    const { name, path, inherited } = field;
    let value: Value | undefined;
    if (!inherited) {
      value = this.#shared[name];
      if (value === undefined) value = this.#own[name];
      if (value !== undefined) return value;
    } else if (Object.hasOwn(this.#shared, name)) return this.#shared[name];
    value = lookup(this.#own, field);
    if (value !== undefined) return value;
    if (path !== undefined) {
      value = lookup(this.#shared, field);
      if (value !== undefined) return value;
    }
    return this.#windows()?.get(field);
  }

  /** All names, unless the record is a Windows event, which answers to further ones. */
  topKeys(): readonly string[] | undefined {
    if (this.#windows() !== null) return undefined;
    return [...Object.keys(this.#own), ...Object.keys(this.#shared)];
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return someLeafText(this.#own, scalarText, visit) ||
      someLeafText(this.#shared, scalarText, visit);
  }

  /** One object; a member of the resource or scope goes before one of the record. */
  toValue(): ValueObject {
    return { ...this.#own, ...this.#shared };
  }

  #windows(): WindowsShape | null {
    if (this.#shape === undefined) this.#shape = windowsShape(this.#own) ?? null;
    return this.#shape;
  }
}

/** A record whose body was a line with fields of its own: these, and what the record adds to them. */
export class OtlpLineEvent implements LogEvent {
  readonly product?: string;
  readonly logsource?: ImpliedLogsource;
  readonly #line: LogEvent;
  readonly #record: OtlpEvent;

  /** @param record Without the body; its members count where `line` has none of the name. */
  constructor(line: LogEvent, record: OtlpEvent) {
    if (line.product !== undefined) this.product = line.product;
    if (line.logsource !== undefined) this.logsource = line.logsource;
    this.#line = line;
    this.#record = record;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    return this.#line.get(field) ?? this.#record.get(field);
  }

  /** See `LogEvent.topKeys`. */
  topKeys(): readonly string[] | undefined {
    const line = this.#line.topKeys?.();
    const record = this.#record.topKeys();
    return line === undefined || record === undefined ? undefined : [...line, ...record];
  }

  /** See `LogEvent.alternateText`. */
  alternateText(field: Field): string | undefined {
    return this.#line.get(field) === undefined ? undefined : this.#line.alternateText?.(field);
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return this.#line.someText(visit) || this.#record.someText(visit);
  }

  /** The members of the line go before those of the record. */
  toValue(): Value {
    const line = this.#line.toValue();
    return { ...this.#record.toValue(), ...isObject(line) ? line : { [RAW_FIELD]: line } };
  }
}
