/**
 * What one event may cost a filter.
 *
 * An expression such as `range(1e12)` or `def f: f; f` is a slip that must not stop an agent. Steps are
 * counted instead of time, so that the same event gives the same outputs on any machine, and so that
 * alerts keep their identities when events are read again.
 */
import { FilterError } from "../errors.ts";

/** Outputs of one event. */
export const MAX_OUTPUTS = 10_000;
/** Some tenths of a second; an event of 1 MiB with 10,000 records takes a twentieth of it. */
export const MAX_STEPS = 2_000_000;
/** Calls of an expression's own functions inside one another. */
const MAX_CALLS = 1000;
/** UTF-16 units of a string, so that doubling one ends. */
export const MAX_TEXT = 16 << 20;
/** Units of a text, or members of an array, whose copy takes as long as a step. */
const UNITS_OF_STEP = 64;
/** Members of an object cost that much more to copy: it is a table, not a block. */
const UNITS_OF_MEMBER = 64;
/** So much longer than copying a character takes changing it. */
const UNITS_OF_CHARACTER = 8;
/** As much longer than an element of an array takes the name of a member that is looked at. */
const UNITS_OF_NAME = 8;

/** Counts what is done for one event. */
export class Budget {
  #steps = 0;
  #calls = 0;

  /** Begins with another event. */
  reset(): void {
    this.#steps = 0;
    this.#calls = 0;
  }

  /** @throws {FilterError} `FILTER_LIMIT` */
  step(): void {
    if (++this.#steps > MAX_STEPS) throw tooManySteps();
  }

  /** Steps for so many units of text or members that are copied or compared. */
  spend(units: number): void {
    this.#steps += 1 + units / UNITS_OF_STEP;
    if (this.#steps > MAX_STEPS) throw tooManySteps();
  }

  /** Steps for a text whose characters are changed one by one. */
  rewrite(units: number): void {
    this.spend(units * UNITS_OF_CHARACTER);
  }

  /** Steps for an object of so many members that is copied. */
  members(count: number): void {
    this.spend(count * UNITS_OF_MEMBER);
  }

  /** @throws {FilterError} `FILTER_LIMIT` if a text of this length is too long. */
  text(length: number): void {
    if (length > MAX_TEXT) throw limit(`a text of more than ${MAX_TEXT} characters`);
    this.spend(length);
  }

  /** Steps for going through the names of so many members. */
  names(count: number): void {
    this.spend(count * UNITS_OF_NAME);
  }

  enter(): void {
    this.step();
    if (++this.#calls > MAX_CALLS) throw limit(`functions call themselves ${MAX_CALLS} times`);
  }

  leave(): void {
    this.#calls--;
  }
}

function tooManySteps(): FilterError {
  return limit(`more than ${MAX_STEPS} steps for one event`);
}

/** The error of an event that is beyond a bound. */
export function limit(what: string): FilterError {
  return new FilterError("FILTER_LIMIT", `too much: ${what}`);
}
