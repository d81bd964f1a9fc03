/**
 * From the value of one field to the rules it wakes.
 *
 * Equal texts are one look-up, prefixes and suffixes one look-up by their first or last three
 * characters, all contained texts one pass. And since `Image`, `TargetObject` and their like repeat
 * endlessly, what a text woke is remembered: most values cost a single look-up.
 */
import { numberText, parseStrictNumber, type Value } from "../event/value.ts";
import { SubstringIndex } from "./substring_index.ts";
import type { Witness } from "./witness.ts";

/** Longer texts hardly ever repeat. */
const MAX_REMEMBERED_LENGTH = 2048;
/** What all fields of an engine remember together, in characters. */
const MAX_REMEMBERED_CHARACTERS = 2 << 20;
/** After so many values a field decides whether remembering them pays: at least a third did repeat. */
const TRIAL = 2048;
const MIN_HITS = TRIAL / 3;
/** A field for which it did not tries again after so many values. */
const PAUSE = 32 * TRIAL;
/** When it is spent, so many new values are met before they start afresh. */
const MAX_REFUSALS = 1 << 19;
/** What an entry takes beside its text, in characters. */
const ENTRY_CHARACTERS = 64;
/** What each rule that an entry wakes takes, in characters. */
const RULE_CHARACTERS = 8;
const EDGE = 3;
const MAX_ARRAY_DEPTH = 64;
const NONE: readonly number[] = [];

/**
 * How much the fields of one engine remember.
 *
 * When it is spent, what is remembered stays for a long while before all is forgotten: values that
 * repeat come early, and forgetting often would only make garbage.
 */
export class MemoryBudget {
  /** Fields whose memory is of another age have forgotten it. */
  age = 0;
  #left = MAX_REMEMBERED_CHARACTERS;
  #refusals = 0;

  /** Whether an entry of so many characters may be remembered. */
  spend(characters: number): boolean {
    if (this.#left > 0) {
      this.#left -= characters + ENTRY_CHARACTERS;
      return true;
    }
    if (++this.#refusals > MAX_REFUSALS) {
      this.#refusals = 0;
      this.#left = MAX_REMEMBERED_CHARACTERS;
      this.age++;
    }
    return false;
  }
}

/** Rules by the witnesses they have on one field. */
export class FieldIndex {
  readonly #present: number[] = [];
  readonly #equal = new Map<string, number[]>();
  readonly #numbers = new Map<number, number[]>();
  readonly #prefixes = new EdgeIndex("start");
  readonly #suffixes = new EdgeIndex("end");
  readonly #contained = new Map<string, number[]>();
  #substrings: SubstringIndex | undefined;
  #substringRules: number[][] = [];
  readonly #budget: MemoryBudget;
  #remembered = new Map<string, readonly number[]>();
  #age = 0;
  /** Values until the end of the trial, or of the pause when nothing is remembered. */
  #untilVerdict = TRIAL;
  #hits = 0;
  #remembers = true;

  /** @param budget Shared by the indexes of an engine. */
  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  /** Wakes `rule` where `witness` holds. */
  add(witness: Witness, rule: number): void {
    switch (witness.kind) {
      case "present":
        this.#present.push(rule);
        break;
      case "equals":
        push(this.#equal, witness.text, rule);
        break;
      case "number":
        push(this.#numbers, Number(witness.text), rule);
        break;
      case "startswith":
        this.#prefixes.add(witness.text, rule);
        break;
      case "endswith":
        this.#suffixes.add(witness.text, rule);
        break;
      case "contains":
        push(this.#contained, witness.text, rule);
        break;
    }
  }

  /** Call once, after the last `add`. */
  build(): void {
    const literals = [...this.#contained.keys()];
    this.#substringRules = [...this.#contained.values()];
    if (literals.length > 0) this.#substrings = new SubstringIndex(literals);
  }

  /** The rules woken by a value, each once for a single text; an array's members are joined. */
  wake(value: Value): readonly number[] {
    if (typeof value !== "string") return this.#wakeOther(value);
    if (--this.#untilVerdict <= 0) this.#judge();
    if (!this.#remembers || value.length > MAX_REMEMBERED_LENGTH) {
      return this.wakeText(value.toLowerCase());
    }
    if (this.#age !== this.#budget.age) {
      this.#age = this.#budget.age;
      this.#remembered = new Map();
    }
    const known = this.#remembered.get(value);
    if (known !== undefined) {
      this.#hits++;
      return known;
    }
    const woken = this.wakeText(value.toLowerCase());
    if (this.#budget.spend(value.length + woken.length * RULE_CHARACTERS)) {
      this.#remembered.set(value, woken);
    }
    return woken;
  }

  /** Stops remembering values that do not repeat, and starts again some time later. */
  #judge(): void {
    this.#remembers = !this.#remembers || this.#hits >= MIN_HITS;
    if (!this.#remembers) this.#remembered = new Map();
    this.#untilVerdict = this.#remembers ? TRIAL : PAUSE;
    this.#hits = 0;
  }

  #wakeOther(value: Value, depth = 0): readonly number[] {
    switch (typeof value) {
      case "string":
        return this.wakeText(value.toLowerCase());
      case "number":
        return this.wakeText(numberText(value));
      case "bigint":
        return this.wakeText(value.toString());
      case "boolean":
        return this.wakeText(String(value));
      case "object": {
        if (!Array.isArray(value) || depth > MAX_ARRAY_DEPTH) return this.#present;
        const woken = new Set(this.#present);
        for (const member of value as readonly Value[]) {
          for (const rule of this.#wakeOther(member, depth + 1)) woken.add(rule);
        }
        return [...woken];
      }
    }
  }

  /** The rules woken by a text in lower case. */
  wakeText(lower: string): readonly number[] {
    let woken: Set<number> | undefined;
    const wake = (rules: readonly number[]): void => {
      woken ??= new Set();
      for (const rule of rules) woken.add(rule);
    };
    if (this.#present.length > 0) wake(this.#present);
    const equal = this.#equal.get(lower);
    if (equal !== undefined) wake(equal);
    if (this.#numbers.size > 0) {
      const number = lower.startsWith("0x") ? Number(lower) : parseStrictNumber(lower);
      const rules = number === undefined ? undefined : this.#numbers.get(number);
      if (rules !== undefined) wake(rules);
    }
    this.#prefixes.search(lower, wake);
    this.#suffixes.search(lower, wake);
    this.#substrings?.search(lower, (literal) => wake(this.#substringRules[literal]!));
    return woken === undefined ? NONE : [...woken];
  }
}

/** Texts by their first or last three characters. */
class EdgeIndex {
  readonly #edge: "start" | "end";
  readonly #byEdge = new Map<string, { readonly text: string; readonly rules: number[] }[]>();
  readonly #short: { readonly text: string; readonly rules: number[] }[] = [];

  constructor(edge: "start" | "end") {
    this.#edge = edge;
  }

  add(text: string, rule: number): void {
    const key = this.#edge === "start" ? text.slice(0, EDGE) : text.slice(-EDGE);
    let list = text.length < EDGE ? this.#short : this.#byEdge.get(key);
    if (list === undefined) this.#byEdge.set(key, list = []);
    const known = list.find((entry) => entry.text === text);
    if (known !== undefined) known.rules.push(rule);
    else list.push({ text, rules: [rule] });
  }

  search(value: string, wake: (rules: readonly number[]) => void): void {
    this.#wakeFrom(this.#short, value, wake);
    if (this.#byEdge.size === 0 || value.length < EDGE) return;
    const list = this.#byEdge.get(
      this.#edge === "start" ? value.slice(0, EDGE) : value.slice(-EDGE),
    );
    if (list !== undefined) this.#wakeFrom(list, value, wake);
  }

  #wakeFrom(
    list: readonly { readonly text: string; readonly rules: readonly number[] }[],
    value: string,
    wake: (rules: readonly number[]) => void,
  ): void {
    for (const { text, rules } of list) {
      if (this.#edge === "start" ? value.startsWith(text) : value.endsWith(text)) wake(rules);
    }
  }
}

function push<K>(map: Map<K, number[]>, key: K, rule: number): void {
  const rules = map.get(key);
  if (rules === undefined) map.set(key, [rule]);
  else rules.push(rule);
}
