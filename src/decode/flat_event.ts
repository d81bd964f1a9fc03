/**
 * Events without structure: named texts, and lines that are nothing but text.
 */
import type { ImpliedLogsource, LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { lineTime } from "../event/line_time.ts";
import type { TimestampOptions } from "../event/timestamp.ts";
import type { Value } from "../event/value.ts";

/** The field that holds the text of a line, or of a message, that has no fields of its own. */
export const RAW_FIELD = "_raw";

/** What is known of a line of text of which nobody knows the program. */
export const TEXT_LINE: ImpliedLogsource = { isText: true };

/**
 * An event of named texts, such as a syslog message. Names are found as they are written, without
 * paths; of a name that stands twice the first counts, as a JSON object the last.
 *
 * @see inputs.md, section 4
 */
export class FlatEvent implements LogEvent {
  readonly logsource?: ImpliedLogsource;
  readonly #fields: Named;
  readonly #opened: Named;
  #byName: Map<string, string> | undefined;
  #asked = 0;

  /**
   * @param fields In the order of the log.
   * @param opened What was read out of the texts of `fields`, where no keyword needs to be looked for
   *   again; those that have the name of one of `fields` do not count.
   */
  constructor(fields: Named, opened: Named = NO_FIELDS, logsource?: ImpliedLogsource) {
    this.#fields = fields;
    this.#opened = opened;
    if (logsource !== undefined) this.logsource = logsource;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    if (this.#byName === undefined) {
      const count = this.#fields.length + this.#opened.length;
      if (count <= FEW_FIELDS && this.#asked < FEW_QUESTIONS) {
        this.#asked++;
        return textOf(this.#fields, field.name) ?? textOf(this.#opened, field.name);
      }
      this.#byName = firstOfEach(this.#fields, this.#opened);
    }
    return this.#byName.get(field.name);
  }

  /** All names. */
  topKeys(): readonly string[] {
    const names = this.#fields.map(([name]) => name);
    for (const [name] of this.#opened) names.push(name);
    return names;
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return this.#fields.some(([, text]) => visit(text));
  }

  /** An object of texts; of a name that stands twice in the log the last. */
  toValue(): Value {
    const value = Object.fromEntries(this.#fields);
    if (this.#opened.length === 0) return value;
    const own = new Set(Object.keys(value));
    const added = this.#opened.filter(([name]) => !own.has(name));
    return { ...value, ...Object.fromEntries(added) };
  }
}

type Named = readonly (readonly [name: string, text: string])[];
const NO_FIELDS: Named = [];

/**
 * Most events are asked a few questions: to build a map for them took a fifth of the time of reading
 * syslog with one rule.
 */
const FEW_QUESTIONS = 8;
const FEW_FIELDS = 40;

function textOf(fields: Named, name: string): string | undefined {
  for (let at = 0; at < fields.length; at++) {
    const pair = fields[at]!;
    // A name cut out of a line is copied when it is compared, but it knows its length.
    if (pair[0].length === name.length && pair[0] === name) return pair[1];
  }
  return undefined;
}

function firstOfEach(...lists: readonly Named[]): Map<string, string> {
  const byName = new Map<string, string>();
  for (const fields of lists) {
    for (const [name, text] of fields) if (!byName.has(name)) byName.set(name, text);
  }
  return byName;
}

const NO_KEYS: readonly string[] = [];

/** The part of `SyslogOptions` that the times of other lines need as well. */
interface PlainTimes {
  readonly syslogZone?: TimestampOptions["zone"];
  readonly nowMs?: number;
}

const NO_TIMES: PlainTimes = {};

/**
 * A line of text: keywords are looked for in it, every field is absent.
 *
 * @see inputs.md, section 9
 */
export class PlainEvent implements LogEvent {
  readonly logsource = TEXT_LINE;
  readonly #line: string;
  readonly #times: PlainTimes;

  /**
   * @param line Without its line end.
   * @param times What completes the time that the line may begin with.
   */
  constructor(line: string, times: PlainTimes = NO_TIMES) {
    this.#line = line;
    this.#times = times;
  }

  /** Nothing. */
  get(): undefined {
    return undefined;
  }

  /** None. */
  topKeys(): readonly string[] {
    return NO_KEYS;
  }

  /** The line. */
  someText(visit: (text: string) => boolean): boolean {
    return visit(this.#line);
  }

  /** See `LogEvent.lineTime`. */
  lineTime(): number | undefined {
    const { syslogZone, nowMs } = this.#times;
    return lineTime(this.#line, { zone: syslogZone, nowMs });
  }

  /** `{"_raw": line}`. */
  toValue(): Value {
    return { [RAW_FIELD]: this.#line };
  }
}
