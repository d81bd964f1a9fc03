/**
 * What the engine asks of an event, whatever it was decoded from.
 */
import type { Field } from "./field.ts";
import type { TextGate } from "./text_gate.ts";
import type { Value } from "./value.ts";

/**
 * What is known of an event's logsource; an absent dimension is unknown, an empty set says that the
 * event has none of its kind.
 */
export interface ImpliedLogsource {
  /** `linux`, … */
  readonly product?: string;
  /** `sshd`, `auth`, … */
  readonly services?: ReadonlySet<string>;
  /** `process_creation`, … */
  readonly categories?: ReadonlySet<string>;
  /**
   * The event is a line of text, and nobody knows of which program: that it lacks the fields of some
   * log says nothing about that log.
   */
  readonly isText?: boolean;
}

/** One decoded event. */
export interface LogEvent {
  /** The Sigma product, where the format itself fixes it: `windows` for EVTX. */
  readonly product?: string;

  /**
   * What the program that wrote the event tells of its logsource; what an operator states counts
   * more. The same object for all events alike, since engines remember what they worked out for it.
   */
  readonly logsource?: ImpliedLogsource;

  /**
   * The value of `field`, `undefined` if the event does not have it (an explicit null is a value).
   *
   * The answer does not change during the life of the event, so callers may remember it.
   */
  get(field: Field): Value | undefined;

  /**
   * The names at the top of the event, if every field it has begins with one of them: by these a long
   * list of fields need not be asked for one by one. `undefined` if fields have other names as well.
   */
  topKeys?(): readonly string[] | undefined;

  /**
   * A second spelling of the value of `field` that rules may use, such as `{lower-case}` for a GUID
   * that Windows stored as sixteen bytes.
   */
  alternateText?(field: Field): string | undefined;

  /**
   * Calls `visit` with the text of each scalar leaf, at any depth, until it returns `true`.
   * Keys are not visited.
   *
   * @returns Whether a call returned `true`.
   */
  someText(visit: (text: string) => boolean): boolean;

  /** Of a line without fields: when it says that it was written, in Unix milliseconds. */
  lineTime?(): number | undefined;

  /** `false` if no leaf can contain a fragment of `gate`; `true` says nothing. */
  mayContain?(gate: TextGate): boolean;

  /**
   * Calls `visit` with the name of each field that is not an object, as rules may ask for it, until it
   * returns `true`; a name may come twice. Without it the names are those in `toValue`.
   *
   * @returns Whether a call returned `true`.
   */
  someFieldName?(visit: (name: string) => boolean): boolean;

  /** The whole event, as results carry it under `event`. Integers beyond 2^53 are `bigint`. */
  toValue(): Value;
}
