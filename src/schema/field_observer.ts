/**
 * Which fields events have, counted: what rules could ask for, and what they ask for in vain.
 *
 * Names are kept, values never.
 *
 * @see inputs.md, section 17
 */
import type { LogEvent } from "../event/event.ts";
import { someLeafName } from "./leaves.ts";

/** Distinct names that are counted unless an operator says otherwise. */
export const DEFAULT_MAX_FIELDS = 10_000;
/** Longer names are cut: a hostile log must not choose how much memory names take. */
const MAX_NAME_CHARACTERS = 256;

/**
 * Fields that Picket adds to events. They are neither news to an operator nor part of a shape.
 *
 * @see inputs.md, section 20.6
 */
export const ADDED_FIELDS: ReadonlySet<string> = new Set([
  "_raw",
  "_source",
  "_line",
  "_offset",
  "_received",
  "_truncated",
  "_recovered",
]);

/** What was counted; survives `structuredClone`. */
export interface FieldCounts {
  /** Events since the last reset. */
  readonly events: number;
  /** Since the start. */
  readonly lifetimeEvents: number;
  /** How often a name was met for which there was no room, since the last reset. */
  readonly overflow: number;
  readonly lifetimeOverflow: number;
  readonly maxKeys: number;
  /** How many events had each field; most first, then by name. */
  readonly fields: readonly (readonly [name: string, events: number])[];
}

interface Entry {
  readonly name: string;
  events: number;
  /** The event in which it was met last: a name that stands twice in an event counts once. */
  last: number;
  /** The one that was met behind it last: it mostly is again, which spares looking for it. */
  next: Entry | undefined;
}

/** Counts field names; give it every event. */
export class FieldObserver {
  readonly maxKeys: number;
  readonly #entries = new Map<string, Entry>();
  /** Stands before the first field of every event. */
  readonly #start: Entry = { name: "", events: 0, last: 0, next: undefined };
  #before: Entry = this.#start;
  #number = 0;
  #events = 0;
  #overflow = 0;
  #lifetimeOverflow = 0;

  /** @param maxKeys Distinct names that are counted; further ones only as overflow. */
  constructor(maxKeys: number = DEFAULT_MAX_FIELDS) {
    if (!Number.isSafeInteger(maxKeys) || maxKeys < 1) {
      throw new RangeError("Cannot observe fields: the number of names must be at least 1");
    }
    this.maxKeys = maxKeys;
  }

  /** Counts the fields of `event`. Never throws. */
  observe(event: LogEvent): void {
    this.#number++;
    this.#events++;
    this.#before = this.#start;
    someLeafName(event, this.#count);
  }

  readonly #count = (name: string): boolean => {
    let entry = this.#before.next;
    if (entry === undefined || entry.name !== name) {
      entry = this.#entries.get(name);
      if (entry === undefined) {
        this.#add(name, this.#number, 1);
        return false;
      }
      this.#before.next = entry;
    }
    this.#before = entry;
    if (entry.last !== this.#number) {
      entry.last = this.#number;
      entry.events++;
    }
    return false;
  };

  #add(name: string, last: number, events: number): void {
    if (name.length > MAX_NAME_CHARACTERS) {
      const cut = name.slice(0, MAX_NAME_CHARACTERS);
      const known = this.#entries.get(cut);
      if (known === undefined) this.#add(cut, last, events);
      else known.events += events;
    } else if (this.#entries.size < this.maxKeys) {
      this.#entries.set(name, { name, events, last, next: undefined });
    } else {
      this.#overflow += events;
      this.#lifetimeOverflow += events;
    }
  }

  /** Adds what another observer, of another thread, has counted since its last reset. */
  merge(other: FieldCounts): void {
    this.#number += other.events;
    this.#events += other.events;
    this.#overflow += other.overflow;
    this.#lifetimeOverflow += other.overflow;
    for (const [name, events] of other.fields) {
      const entry = this.#entries.get(name);
      if (entry === undefined) this.#add(name, 0, events);
      else entry.events += events;
    }
  }

  /** Events since the last reset. */
  get events(): number {
    return this.#events;
  }

  /** Distinct names that are counted now. */
  get keys(): number {
    return this.#entries.size;
  }

  get lifetimeEvents(): number {
    return this.#number;
  }

  get lifetimeOverflow(): number {
    return this.#lifetimeOverflow;
  }

  /** What has been counted. */
  snapshot(): FieldCounts {
    return {
      events: this.#events,
      lifetimeEvents: this.#number,
      overflow: this.#overflow,
      lifetimeOverflow: this.#lifetimeOverflow,
      maxKeys: this.maxKeys,
      fields: [...this.#entries].map(([name, { events }]) => [name, events] as const)
        .sort(mostFirst),
    };
  }

  /** Begins anew; lifetime counts go on. */
  reset(): void {
    this.#entries.clear();
    this.#start.next = undefined;
    this.#events = 0;
    this.#overflow = 0;
  }
}

/** Larger counts first, then by name. */
export function mostFirst(
  left: readonly [name: string, count: number],
  right: readonly [name: string, count: number],
): number {
  return right[1] - left[1] || (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0);
}
