/**
 * The rules that can apply to one kind of event, indexed.
 *
 * A kind is what the logsource and the event id leave: `Microsoft-Windows-Sysmon/Operational` 13 has
 * a partition of its own with registry rules only. Partitions are built when the first such event is
 * met, and kinds to which the same rules apply share one.
 */
import { type Field, internField, topKeysOf } from "../event/field.ts";
import type { EvaluationContext } from "./context.ts";
import type { TextGate } from "../event/text_gate.ts";
import type { Matcher } from "./compile.ts";
import { FieldIndex, type MemoryBudget } from "./field_index.ts";
import type { GateCache } from "./keyword_gate.ts";
import type { WitnessSet } from "./witness.ts";

/** What a partition needs to know of a rule. */
export interface IndexedRule {
  /** Compiled when the rule is first woken. */
  matcher(): Matcher;
  /** Worked out at each call. */
  witnesses(): WitnessSet;
  /** Whether the rule matches an event that has nothing. */
  holdsWithoutEvent(): boolean;
  /** Without one of these the rule cannot match; `undefined` if it can. */
  readonly eventIds: ReadonlySet<number> | undefined;
}

interface IndexedField {
  readonly field: Field;
  readonly index: FieldIndex;
}

/** Events have some dozens of fields; asking for more than that one by one is the longer way. */
const MANY_FIELDS = 40;

/** An index over some of an engine's rules; rules are named by their number in the engine. */
export class Partition {
  /** Ascending. */
  readonly rules: readonly number[];
  /** Whether an event has been evaluated here. */
  used = false;
  readonly #all: readonly IndexedRule[];
  /** The event each rule was last woken on. */
  readonly #stamps: Float64Array;
  readonly #open: readonly number[];
  readonly #fields: readonly IndexedField[];
  /** Fields by the keys they can be under; only where there are many fields. */
  readonly #byKey: ReadonlyMap<string, readonly IndexedField[]> | undefined;
  readonly #keywords: FieldIndex | undefined;
  readonly #gate: TextGate | undefined;

  /** @param stamps One entry a rule of the engine, shared by its partitions, as are the others. */
  constructor(
    rules: readonly number[],
    all: readonly IndexedRule[],
    stamps: Float64Array,
    budget: MemoryBudget,
    gates: GateCache,
  ) {
    this.rules = rules;
    this.#all = all;
    this.#stamps = stamps;
    const open: number[] = [];
    const fields = new Map<string, FieldIndex>();
    let keywords: FieldIndex | undefined;
    const words: string[] = [];
    for (const rule of rules) {
      const witnesses = all[rule]!.witnesses();
      if (witnesses === undefined) {
        open.push(rule);
        continue;
      }
      for (const witness of witnesses) {
        if (witness.field === undefined) {
          (keywords ??= new FieldIndex(budget)).add(witness, rule);
          words.push(witness.text);
          continue;
        }
        let index = fields.get(witness.field);
        if (index === undefined) fields.set(witness.field, index = new FieldIndex(budget));
        index.add(witness, rule);
      }
    }
    for (const index of fields.values()) index.build();
    keywords?.build();
    this.#open = open;
    this.#fields = [...fields].map(([name, index]) => ({ field: internField(name), index }));
    this.#byKey = this.#fields.length > MANY_FIELDS ? groupByKey(this.#fields) : undefined;
    this.#keywords = keywords;
    this.#gate = keywords === undefined ? undefined : gates.get(words);
  }

  /** Appends the numbers of the rules that match the event of `context`, in no order. */
  evaluate(context: EvaluationContext, matched: number[]): void {
    this.used = true;
    for (const rule of this.#open) this.#try(rule, context, matched);
    const keys = this.#byKey !== undefined && context.hasPlainNames
      ? context.event.topKeys?.()
      : undefined;
    if (keys === undefined) {
      const fields = this.#fields;
      for (let at = 0; at < fields.length; at++) this.#wake(fields[at]!, context, matched);
    } else {
      for (const key of keys) {
        const fields = this.#byKey!.get(key);
        if (fields === undefined) continue;
        for (const field of fields) this.#wake(field, context, matched);
      }
    }
    if (this.#keywords !== undefined) this.#searchKeywords(this.#keywords, context, matched);
  }

  #wake(entry: IndexedField, context: EvaluationContext, matched: number[]): void {
    const value = context.value(entry.field);
    if (value === undefined) return;
    const woken = entry.index.wake(value);
    for (let next = 0; next < woken.length; next++) this.#try(woken[next]!, context, matched);
  }

  #searchKeywords(keywords: FieldIndex, context: EvaluationContext, matched: number[]): void {
    const { event } = context;
    if (this.#gate !== undefined && event.mayContain?.(this.#gate) === false) return;
    for (const text of context.texts()) {
      for (const rule of keywords.wake(text)) this.#try(rule, context, matched);
    }
  }

  #try(rule: number, context: EvaluationContext, matched: number[]): void {
    if (this.#stamps[rule] === context.epoch) return;
    this.#stamps[rule] = context.epoch;
    if (this.#all[rule]!.matcher()(context)) matched.push(rule);
  }
}

function groupByKey(
  fields: readonly IndexedField[],
): ReadonlyMap<string, readonly IndexedField[]> {
  const byKey = new Map<string, IndexedField[]>();
  for (const entry of fields) {
    for (const key of topKeysOf(entry.field)) {
      const group = byKey.get(key);
      if (group === undefined) byKey.set(key, [entry]);
      else group.push(entry);
    }
  }
  return byKey;
}
