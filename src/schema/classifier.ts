/**
 * From an event to its schema.
 *
 * Signatures are asked in the order of their specificity. Most of them cannot match: what they need is
 * not among the names at the top of the event. Which are left depends on these names alone, so it is
 * remembered for the shapes that come again and again.
 *
 * @see inputs.md, section 13
 */
import type { LogEvent } from "../event/event.ts";
import { type Field, topKeysOf } from "../event/field.ts";
import { BUILT_IN_SIGNATURES, type Signature } from "./builtin.ts";
import { describePredicate, holds, type Predicate } from "./predicate.ts";

/** The schema of an event. The same object for all events that are classified alike. */
export interface Classification {
  readonly schema: string;
  readonly specificity: number;
  /** Another schema of the same specificity matches as well. */
  readonly isAmbiguous: boolean;
}

/** Why an event was classified as it was. */
export interface ClassificationDetail {
  /** The signature that won; of an unknown event the one that came closest. */
  readonly signature: Signature;
  readonly predicates: readonly { readonly predicate: string; readonly matched: boolean }[];
}

/** Shapes that are remembered: one for each number of keys. */
const MAX_KEYS = 256;

interface Ranked extends Signature {
  readonly certain: Classification;
  readonly ambiguous: Classification;
}

interface Shape {
  readonly keys: readonly string[];
  readonly candidates: readonly Ranked[];
}

/** Classifies events; holds what it has learnt of their shapes, so make one and keep it. */
export class SchemaClassifier {
  readonly #ranked: readonly Ranked[];
  /** By a name at the top, the numbers of the signatures that need it or one like it. */
  readonly #byKey = new Map<string, number[]>();
  /** Signatures that need no field. */
  readonly #always: readonly number[];
  readonly #shapes: (Shape | undefined)[] = new Array<Shape | undefined>(MAX_KEYS).fill(undefined);

  /** @param own Signatures beside the built-in ones. */
  constructor(own: readonly Signature[] = []) {
    this.#ranked = rankSignatures([...BUILT_IN_SIGNATURES, ...own]).map((signature) => {
      const { name: schema, specificity } = signature;
      return {
        ...signature,
        certain: { schema, specificity, isAmbiguous: false },
        ambiguous: { schema, specificity, isAmbiguous: true },
      };
    });
    const always: number[] = [];
    this.#ranked.forEach(({ predicates }, number) => {
      const gate = tightestGate(predicates);
      if (gate === undefined) {
        always.push(number);
        return;
      }
      for (const key of new Set(gate.flatMap((field) => [...topKeysOf(field)]))) {
        const known = this.#byKey.get(key);
        if (known === undefined) this.#byKey.set(key, [number]);
        else known.push(number);
      }
    });
    this.#always = always;
  }

  /** All signatures in the order in which they are asked. */
  get signatures(): readonly Signature[] {
    return this.#ranked;
  }

  /** Whether there is a signature of this name. */
  has(schema: string): boolean {
    return this.#ranked.some(({ name }) => name === schema);
  }

  /** The schema of `event`; `undefined` if no signature matches. Never throws. */
  classify(event: LogEvent): Classification | undefined {
    const candidates = this.#candidates(event);
    for (let at = 0; at < candidates.length; at++) {
      const signature = candidates[at]!;
      if (!matches(signature, event)) continue;
      return rivals(candidates, at, event) ? signature.ambiguous : signature.certain;
    }
    return undefined;
  }

  /** Why `classify` gives what it gives. */
  explain(event: LogEvent): ClassificationDetail | undefined {
    let best: { readonly signature: Signature; readonly held: number } | undefined;
    for (const signature of this.#ranked) {
      const held = signature.predicates.filter((predicate) => holds(predicate, event)).length;
      if (held === signature.predicates.length) {
        best = { signature, held };
        break;
      }
      if (held > (best?.held ?? -1)) best = { signature, held };
    }
    if (best === undefined) return undefined;
    return {
      signature: best.signature,
      predicates: best.signature.predicates.map((predicate) => ({
        predicate: describePredicate(predicate),
        matched: holds(predicate, event),
      })),
    };
  }

  /** Signatures that may match, in their order. */
  #candidates(event: LogEvent): readonly Ranked[] {
    const keys = event.topKeys?.();
    if (keys === undefined) return this.#ranked;
    const known = this.#shapes[keys.length];
    if (known !== undefined && sameKeys(known.keys, keys)) return known.candidates;
    const numbers = new Set(this.#always);
    for (const key of keys) {
      for (const number of this.#byKey.get(key) ?? []) numbers.add(number);
    }
    const candidates = [...numbers].sort((left, right) => left - right)
      .map((number) => this.#ranked[number]!);
    if (keys.length < MAX_KEYS) this.#shapes[keys.length] = { keys, candidates };
    return candidates;
  }
}

/** In the order in which they are asked: by specificity, then by name, then as they were given. */
export function rankSignatures(signatures: readonly Signature[]): readonly Signature[] {
  return [...signatures].sort((left, right) =>
    right.specificity - left.specificity ||
    (left.name < right.name ? -1 : left.name > right.name ? 1 : 0)
  );
}

function matches({ predicates }: Signature, event: LogEvent): boolean {
  for (const predicate of predicates) if (!holds(predicate, event)) return false;
  return true;
}

/** Whether one behind `at` of another name and the same specificity matches as well. */
function rivals(candidates: readonly Ranked[], at: number, event: LogEvent): boolean {
  const { name, specificity } = candidates[at]!;
  for (let next = at + 1; next < candidates.length; next++) {
    const other = candidates[next]!;
    if (other.specificity !== specificity) return false;
    if (other.name !== name && matches(other, event)) return true;
  }
  return false;
}

/** Events of one shape give the very same texts, so comparing them is cheap. */
function sameKeys(left: readonly string[], right: readonly string[]): boolean {
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false;
  return true;
}

/**
 * Fields of which an event must have one for all of `predicates` to hold: those of the predicate whose
 * names say most, judged by their length.
 */
function tightestGate(predicates: readonly Predicate[]): readonly Field[] | undefined {
  let tightest: readonly Field[] | undefined;
  for (const predicate of predicates) {
    const gate = gateOf(predicate);
    if (gate !== undefined && (tightest === undefined || rarity(gate) > rarity(tightest))) {
      tightest = gate;
    }
  }
  return tightest;
}

/** `id`, `kind` and `action` are in many events, `signatureId` is in few. */
function rarity(gate: readonly Field[]): number {
  return Math.min(...gate.map(({ name }) => name.length)) - 4 * gate.length;
}

/** Fields of which an event must have one for `predicate` to hold; `undefined` if it needs none. */
function gateOf(predicate: Predicate): readonly Field[] | undefined {
  switch (predicate.kind) {
    case "present":
    case "equals":
    case "matches":
    case "compare":
    case "in":
      return [predicate.field];
    case "any_of":
      return predicate.fields;
    case "same":
      return [predicate.left];
    case "any": {
      const gates = predicate.predicates.map(gateOf);
      return gates.some((gate) => gate === undefined) ? undefined : gates.flatMap((gate) => gate!);
    }
    case "all":
      return tightestGate(predicate.predicates);
    case "absent":
    case "not":
    case "has_any_field":
      return undefined;
  }
}
