/**
 * What must be true of an event before a rule can match it.
 *
 * A rule is woken by its witnesses: facts of which at least one holds whenever the rule matches.
 * They are over-estimates on purpose; dropping one would lose detections. A rule without witnesses is
 * *open* and evaluated on every event of its logsource.
 *
 * Of several possible witness sets the one expected to hold least often is taken. How often a text
 * occurs in events is not known when rules are loaded, but its length and the number of rules that
 * ask for it tell a good deal: hundreds of rules name `\powershell.exe`, and so do many events.
 */
import { parseStrictNumber } from "../event/value.ts";
import type { Condition, Detection, DetectionRule, Item, Pattern } from "../sigma/rule.ts";
import { asKeyword } from "./item_test.ts";
import { plainText } from "./glob.ts";
import { requiredLiterals } from "./regex/compile.ts";

/** A fact about one field, or, without `field`, about the text of any leaf. Text is lower-case. */
export interface Witness {
  readonly field: string | undefined;
  readonly kind: "equals" | "startswith" | "endswith" | "contains" | "number" | "present";
  readonly text: string;
}

/** At least one holds when the rule matches; `undefined` for an open rule. */
export type WitnessSet = readonly Witness[] | undefined;

/** How many rules ask for a witness, by `witnessKey`. */
export type Popularity = ReadonlyMap<string, number>;

export function witnessKey({ field, kind, text }: Witness): string {
  return `${field ?? ""}\u0000${kind}\u0000${text}`;
}

/** Counts each witness that a rule's selections could offer. */
export function countWitnesses(rules: readonly DetectionRule[]): Popularity {
  const counts = new Map<string, number>();
  for (const rule of rules) {
    const keys = new Set<string>();
    for (const { detection } of rule.selections) {
      for (const item of detectionItems(detection)) {
        for (const witness of itemWitnesses(item)?.flat() ?? []) keys.add(witnessKey(witness));
      }
    }
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function detectionItems(detection: Detection): readonly Item[] {
  switch (detection.kind) {
    case "all_of":
      return detection.items;
    case "keywords":
      return [detection.item];
    case "any_of":
    case "and":
      return detection.branches.flatMap(detectionItems);
    case "array":
      return [];
  }
}

/** Chooses the witnesses of one rule. */
export function ruleWitnesses(rule: DetectionRule, popularity: Popularity): WitnessSet {
  const chooser = new WitnessChooser(rule, popularity);
  return chooser.choose();
}

class WitnessChooser {
  readonly #rule: DetectionRule;
  readonly #popularity: Popularity;

  constructor(rule: DetectionRule, popularity: Popularity) {
    this.#rule = rule;
    this.#popularity = popularity;
  }

  choose(): WitnessSet {
    return union(this.#rule.conditions.map((condition) => this.#condition(condition)));
  }

  #condition(condition: Condition): WitnessSet {
    switch (condition.kind) {
      case "selection":
        return this.#selection(condition.name);
      case "and":
        return this.#best(condition.children.map((child) => this.#condition(child)));
      case "or":
        return union(condition.children.map((child) => this.#condition(child)));
      case "not":
        return undefined;
      case "quantified": {
        const branches = condition.names.map((name) => this.#selection(name));
        if (condition.need === "all") return this.#best(branches);
        return condition.need <= 0 ? undefined : union(branches);
      }
    }
  }

  #selection(name: string): WitnessSet {
    const selection = this.#rule.selections.find((candidate) => candidate.name === name);
    return selection === undefined ? undefined : this.#detection(selection.detection);
  }

  #detection(detection: Detection): WitnessSet {
    switch (detection.kind) {
      case "all_of":
        return this.#best(detection.items.map((item) => this.#best(itemWitnesses(item) ?? [])));
      case "keywords":
        return this.#best(itemWitnesses(detection.item) ?? []);
      case "any_of":
        return union(detection.branches.map((branch) => this.#detection(branch)));
      case "and":
        return this.#best(detection.branches.map((branch) => this.#detection(branch)));
      case "array":
        return detection.quantifier === "any" || detection.quantifier === "all"
          ? [present(detection.field)]
          : undefined;
    }
  }

  /** The set that is expected to hold least often; open ones say nothing. */
  #best(sets: readonly WitnessSet[]): WitnessSet {
    let best: WitnessSet;
    let bestCost = Infinity;
    for (const set of sets) {
      if (set === undefined) continue;
      let cost = 0;
      for (const witness of set) cost += this.#cost(witness);
      if (cost < bestCost) {
        best = set;
        bestCost = cost;
      }
    }
    return best;
  }

  /** A guess at how often a witness holds, as a share of events. */
  #cost(witness: Witness): number {
    const { field, kind, text } = witness;
    if (field === undefined) return 4;
    if (kind === "present") return 3;
    // The event id has already chosen the partition.
    if (field === "EventID" || field === "Channel" || field === "Provider_Name") return 2;
    const rules = this.#popularity.get(witnessKey(witness)) ?? 1;
    return lengthCost(kind === "number" ? 8 : text.length) * (0.5 + Math.log2(rules + 1));
  }
}

function lengthCost(length: number): number {
  if (length >= 12) return 0.02;
  if (length >= 8) return 0.04;
  if (length >= 5) return 0.1;
  return length >= 3 ? 0.5 : 2;
}

function union(sets: readonly WitnessSet[]): WitnessSet {
  const all: Witness[] = [];
  for (const set of sets) {
    if (set === undefined) return undefined;
    all.push(...set);
  }
  return all;
}

/**
 * Every witness set an item offers: whenever the item holds, each of them has a witness that does.
 *
 * @returns `undefined` if the item can hold on an event that lacks everything it names.
 */
export function itemWitnesses(item: Item): readonly (readonly Witness[])[] | undefined {
  if (item.patterns.some(holdsWithoutField)) return undefined;
  const { field } = item;
  if (item.negated) {
    // `exists|neq` asks for absence; any other negation still needs the field.
    const absent = item.patterns.some((pattern) => pattern.kind === "exists");
    return field === undefined || absent ? undefined : [[present(field)]];
  }
  const sets = item.patterns.map((pattern) =>
    patternWitnesses(field === undefined ? asKeyword(pattern) : pattern, field)
  );
  const fallback = field === undefined ? undefined : [present(field)];
  if (item.all) {
    const known = sets.filter((set) => set !== undefined);
    if (known.length > 0) return known;
    return fallback === undefined ? undefined : [fallback];
  }
  const joined = union(sets) ?? fallback;
  return joined === undefined ? undefined : [joined];
}

function holdsWithoutField(pattern: Pattern): boolean {
  switch (pattern.kind) {
    case "null":
    case "exists":
      return pattern.kind === "null" || !pattern.expected;
    case "any":
      return pattern.patterns.some(holdsWithoutField);
    default:
      return false;
  }
}

function present(field: string): Witness {
  return { field, kind: "present", text: "" };
}

/** Witnesses of one pattern beyond the presence of its field. */
function patternWitnesses(pattern: Pattern, field: string | undefined): WitnessSet {
  switch (pattern.kind) {
    case "string":
      return stringWitnesses(pattern, field);
    case "number": {
      const number = parseStrictNumber(pattern.text);
      return number === undefined || field === undefined
        ? undefined
        : [{ field, kind: "number", text: String(number) }];
    }
    case "regex": {
      const literals = requiredLiterals(pattern.source, pattern.flags);
      return literals?.map((text) => ({ field, kind: "contains", text }));
    }
    case "any":
      return union(pattern.patterns.map((part) => patternWitnesses(part, field)));
    case "boolean":
    case "null":
    case "cidr":
    case "exists":
    case "fieldref":
    case "compare":
    case "timepart":
    case "template":
      return undefined;
  }
}

function stringWitnesses(
  pattern: Pattern & { readonly kind: "string" },
  field: string | undefined,
): WitnessSet {
  const { tokens, operator } = pattern;
  const plain = plainText(tokens);
  if (plain !== undefined) {
    return plain === "" && operator !== "equals" || !foldable(plain, pattern.cased)
      ? undefined
      : [{ field, kind: operator, text: plain.toLowerCase() }];
  }
  // The longest text between wildcards; at the edge of an anchored pattern it is a prefix or suffix.
  let best: Witness | undefined;
  for (const [at, token] of tokens.entries()) {
    if (token.kind !== "text" || !foldable(token.text, pattern.cased)) continue;
    if (best !== undefined && best.text.length >= token.text.length) continue;
    const first = at === 0 && (operator === "equals" || operator === "startswith");
    const last = at === tokens.length - 1 && (operator === "equals" || operator === "endswith");
    const kind = first ? "startswith" : last ? "endswith" : "contains";
    best = { field, kind, text: token.text.toLowerCase() };
  }
  return best === undefined || best.text === "" ? undefined : [best];
}

/**
 * Whether a text that contains `text` contains its lower-case form once lower-cased. Patterns that
 * ignore case are compared in lower case, so it holds by construction; for others a character whose
 * lower-case form depends on its neighbours would break it.
 */
function foldable(text: string, cased: boolean): boolean {
  // deno-lint-ignore no-control-regex
  return !cased || /^[\x00-\x7f]*$/.test(text);
}
