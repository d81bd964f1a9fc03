/**
 * What discovery learns of events: which fields they have, and which few values these take.
 */
import type { LogEvent } from "../event/event.ts";
import { internField } from "../event/field.ts";
import { type ShapeKeys, ShapeReader, shapeText } from "./shape.ts";

/** Distinct shapes that are learnt. */
const MAX_GROUPS = 2000;
/** Distinct names whose values are looked at; each is interned, which lasts. */
const MAX_FIELDS = 5000;
const MAX_VALUE_BYTES = 64;

/** The values of a field in the events of a shape. */
export interface FieldValues {
  /** Distinct values with how many events had each; `undefined` when one could not be kept. */
  values: Map<string, number> | undefined;
  /** Events in which the field was a text. */
  texts: number;
}

/** Events that have the same fields. */
export interface SampleGroup {
  readonly keys: ShapeKeys;
  count: number;
  /** Absent where values are not looked at. */
  readonly fields: ReadonlyMap<string, FieldValues>;
}

/** Collects events for discovery. */
export class SampleCollector {
  readonly #groups = new Map<string, SampleGroup>();
  readonly #shapes = new ShapeReader();
  readonly #maxValues: number;
  readonly #names = new Set<string>();

  /** @param maxValues Distinct values of a field that are kept; 0 looks at none. */
  constructor(maxValues: number) {
    this.#maxValues = maxValues;
  }

  add(event: LogEvent): void {
    const keys = this.#shapes.shapeOf(event);
    if (keys.length === 0) return;
    const text = shapeText(keys);
    let group = this.#groups.get(text);
    if (group === undefined) {
      if (this.#groups.size >= MAX_GROUPS) return;
      const fields = new Map(
        this.#maxValues === 0
          ? []
          : keys.filter((key) => this.#isLookedAt(key)).map((key) =>
            [key, { values: new Map<string, number>(), texts: 0 }] as const
          ),
      );
      this.#groups.set(text, group = { keys, count: 0, fields });
    }
    group.count++;
    for (const [key, field] of group.fields) this.#addValue(event, key, field);
  }

  groups(): readonly SampleGroup[] {
    return [...this.#groups.values()];
  }

  #isLookedAt(name: string): boolean {
    if (this.#names.size < MAX_FIELDS) this.#names.add(name);
    return this.#names.has(name);
  }

  #addValue(event: LogEvent, key: string, field: FieldValues): void {
    const value = event.get(internField(key));
    if (typeof value !== "string") return;
    field.texts++;
    if (field.values === undefined) return;
    if (!isMarker(value)) {
      field.values = undefined;
      return;
    }
    field.values.set(value, (field.values.get(value) ?? 0) + 1);
    if (field.values.size > this.#maxValues) field.values = undefined;
  }
}

const NUMBERS_AND_DOTS = /^\d+(?:\.\d+){3,}$/;

/** Whether a value can tell a kind of event, and nothing about a person or a machine. */
export function isMarker(value: string): boolean {
  return value !== "" && new TextEncoder().encode(value).length <= MAX_VALUE_BYTES &&
    !/[\s/\\]/.test(value) && !NUMBERS_AND_DOTS.test(value);
}
