/**
 * Which fields an event has, as one sorted list.
 */
import type { LogEvent } from "../event/event.ts";
import { ADDED_FIELDS } from "./field_observer.ts";
import { someLeafName } from "./leaves.ts";

/** Names of a shape; further ones, in alphabetical order, are left out. */
export const MAX_SHAPE_KEYS = 64;
/** Orders of the same names that are remembered. */
const MAX_ORDERS = 1024;
/** Stands in no name of a field that anybody would write. */
const SEPARATOR = "\u0000";

/** Sorted names without duplicates. */
export type ShapeKeys = readonly string[];

/** Finds the shapes of events; the same object for events that have the same names. */
export class ShapeReader {
  readonly #byOrder = new Map<string, ShapeKeys>();
  readonly #bySet = new Map<string, ShapeKeys>();

  /** The names of the fields of `event`, those that Picket adds left out. */
  shapeOf(event: LogEvent): ShapeKeys {
    let order = "";
    someLeafName(event, (name) => {
      if (!ADDED_FIELDS.has(name)) order += name + SEPARATOR;
      return false;
    });
    let keys = this.#byOrder.get(order);
    if (keys !== undefined) return keys;
    const names = new Set<string>();
    someLeafName(event, (name) => {
      if (!ADDED_FIELDS.has(name)) names.add(name);
      return false;
    });
    const sorted = [...names].sort().slice(0, MAX_SHAPE_KEYS);
    const set = shapeText(sorted);
    if (this.#byOrder.size >= MAX_ORDERS) {
      this.#byOrder.clear();
      this.#bySet.clear();
    }
    keys = this.#bySet.get(set);
    if (keys === undefined) this.#bySet.set(set, keys = sorted);
    this.#byOrder.set(order, keys);
    return keys;
  }
}

/** A text that is equal for equal shapes. */
export function shapeText(keys: ShapeKeys): string {
  return JSON.stringify(keys);
}
