/**
 * The plain reading of the rule language: every rule, every item, every value, no index.
 *
 * This is the oracle of the indexed engine, so it shares nothing with it but the rule types, the
 * regular expressions and the logsource table. It is written to be seen to be right, not to be fast.
 */
import type { LogEvent } from "../event/event.ts";
import { type Field, internField } from "../event/field.ts";
import { lookup, MAX_EVENT_DEPTH } from "../event/lookup.ts";
import { isoWeek, parseTimestamp } from "../event/timestamp.ts";
import { isObject, parseStrictNumber, scalarText, Spellings, type Value } from "../event/value.ts";
import type {
  ArrayBody,
  ArrayQuantifier,
  Condition,
  Detection,
  DetectionRule,
  Item,
  Pattern,
  Selection,
  StringOperator,
  StringToken,
} from "../sigma/rule.ts";
import { NO_EVENT } from "./context.ts";
import { addressInNetwork } from "./naive_network.ts";
import { compatible, type EventKind, needsPresence } from "./logsource.ts";
import { type CompiledRegex, compileRegex } from "./regex/compile.ts";

/** Where items look for their fields: the event, or one member of an array in it. */
interface View {
  read(field: Field): Value | undefined;
  /** What an item without a field is about: the leaves of the event, or the member. */
  readonly member: { readonly value: Value } | undefined;
  readonly event: LogEvent;
  readonly whole: (field: Field) => Value | undefined;
}

/** The numbers of the rules that match `event`, ascending. */
export function matchNaively(
  rules: readonly DetectionRule[],
  event: LogEvent,
  kind: EventKind,
): readonly number[] {
  const read = (field: Field): Value | undefined => {
    const names = kind.names.get(field.name) ?? [field];
    const name = names.find((one) => event.get(one) !== undefined);
    const own = name === undefined ? undefined : event.get(name);
    const other = typeof own === "string" ? event.alternateText?.(name!) : undefined;
    return typeof own !== "string" || other === undefined ? own : new Spellings(own, other);
  };
  const view: View = { read, member: undefined, event, whole: read };
  const matched: number[] = [];
  for (const [number, rule] of rules.entries()) {
    if (!compatible(rule.logsource, kind.logsource)) continue;
    if (needsPresence(rule.logsource, kind.logsource) && holdsWithoutEvent(rule)) continue;
    if (ruleHolds(rule, view)) matched.push(number);
  }
  return matched;
}

const NO_VIEW: View = {
  read: () => undefined,
  member: undefined,
  event: NO_EVENT,
  whole: () => undefined,
};

/** Whether a rule matches an event without any field or text: by what it lacks. */
export function holdsWithoutEvent(rule: DetectionRule): boolean {
  return ruleHolds(rule, NO_VIEW);
}

function ruleHolds(rule: DetectionRule, view: View): boolean {
  return [rule, ...rule.filters].every(({ selections, conditions }) =>
    conditions.some((condition) => conditionHolds(condition, selections, view))
  );
}

function conditionHolds(
  condition: Condition,
  selections: readonly Selection[],
  view: View,
): boolean {
  const named = (name: string): boolean =>
    selections.some((selection) =>
      selection.name === name && detectionHolds(selection.detection, view)
    );
  switch (condition.kind) {
    case "selection":
      return named(condition.name);
    case "and":
      return condition.children.every((child) => conditionHolds(child, selections, view));
    case "or":
      return condition.children.some((child) => conditionHolds(child, selections, view));
    case "not":
      return !conditionHolds(condition.child, selections, view);
    case "quantified": {
      const held = condition.names.filter(named).length;
      return held >= (condition.need === "all" ? condition.names.length : condition.need);
    }
  }
}

function detectionHolds(detection: Detection, view: View): boolean {
  switch (detection.kind) {
    case "all_of":
      return detection.items.every((item) => itemHolds(item, view));
    case "any_of":
      return detection.branches.some((branch) => detectionHolds(branch, view));
    case "and":
      return detection.branches.every((branch) => detectionHolds(branch, view));
    case "keywords":
      return itemHolds(detection.item, view);
    case "array":
      return arrayHolds(
        view.read(internField(detection.field)),
        detection.quantifier,
        detection.body,
        view,
      );
  }
}

function arrayHolds(
  value: Value | undefined,
  quantifier: ArrayQuantifier,
  body: ArrayBody,
  outer: View,
): boolean {
  const members = value === undefined || value === null
    ? []
    : Array.isArray(value)
    ? value as readonly Value[]
    : [value];
  const held = members.filter((member) => {
    const view: View = {
      read: (field) => lookup(member, field),
      member: { value: member },
      event: outer.event,
      whole: outer.whole,
    };
    return body.kind === "basic"
      ? detectionHolds(body.detection, view)
      : body.conditions.some((condition) => conditionHolds(condition, body.selections, view));
  }).length;
  switch (quantifier) {
    case "any":
      return held > 0;
    case "all":
      return members.length > 0 && held === members.length;
    case "all_or_empty":
      return held === members.length;
    case "none":
      return held === 0;
  }
}

function itemHolds(item: Item, view: View): boolean {
  if (item.field === undefined && view.member === undefined) {
    const [only] = item.patterns;
    if (item.patterns.length === 1 && only?.kind === "exists") {
      return only.expected === item.negated; // There is no field without a name.
    }
    const leaves: string[] = [];
    view.event.someText((text) => (leaves.push(text), false));
    const holds = quantify(
      item,
      (pattern) => leaves.some((leaf) => patternHolds(asContained(pattern), leaf, item, view)),
    );
    return holds !== item.negated;
  }
  const value = item.field === undefined ? view.member!.value : view.read(internField(item.field));
  if (value === undefined && item.negated) {
    // "Something other than this" needs something, unless the question is whether there is any.
    if (item.patterns.some((pattern) => pattern.kind !== "exists")) return false;
  }
  return quantify(item, (pattern) => patternHolds(pattern, value, item, view)) !== item.negated;
}

function quantify(item: Item, holds: (pattern: Pattern) => boolean): boolean {
  return item.all ? item.patterns.every(holds) : item.patterns.some(holds);
}

/** A keyword is a text to be found inside another, whatever type it was written in. */
function asContained(pattern: Pattern): Pattern {
  const contained = (text: string): Pattern => ({
    kind: "string",
    operator: "contains",
    cased: false,
    tokens: [{ kind: "text", text }],
  });
  if (pattern.kind === "number") return contained(pattern.text);
  if (pattern.kind === "boolean") return contained(pattern.value ? "true" : "false");
  if (pattern.kind === "any") return { ...pattern, patterns: pattern.patterns.map(asContained) };
  return pattern.kind === "string" && pattern.operator === "equals"
    ? { ...pattern, operator: "contains" }
    : pattern;
}

function patternHolds(
  pattern: Pattern,
  value: Value | undefined,
  item: Item,
  view: View,
  depth = 0,
): boolean {
  switch (pattern.kind) {
    case "any":
      return pattern.patterns.some((part) => patternHolds(part, value, item, view, depth));
    case "null":
      return value === undefined || value === null;
    case "exists":
      return (value !== undefined) === pattern.expected;
    case "fieldref":
      return spellingsOf(value).some((left) =>
        spellingsOf(view.whole(internField(pattern.field))).some((right) =>
          fieldRefHolds(pattern, left, right)
        )
      );
    default:
      break;
  }
  if (value === undefined) return false;
  if (Array.isArray(value)) {
    return depth <= MAX_EVENT_DEPTH &&
      (value as readonly Value[]).some((member) =>
        member !== null && !isObject(member) && patternHolds(pattern, member, item, view, depth + 1)
      );
  }
  const text = scalarText(value);
  switch (pattern.kind) {
    case "string":
      return text !== undefined && textHolds(pattern.tokens, pattern.operator, pattern.cased, text);
    case "regex":
      return text !== undefined && regexOf(pattern.source, pattern.flags).test(text);
    case "cidr":
      return text !== undefined && addressInNetwork(text, pattern.network);
    case "number":
      return typeof value !== "boolean" && text !== undefined &&
        numberHolds(pattern.text, text, item.field);
    case "boolean":
      return typeof value === "boolean" ? value === pattern.value : typeof value === "string" &&
        (pattern.value ? ["true", "1", "yes"] : ["false", "0", "no"])
          .includes(value.toLowerCase());
    case "compare": {
      if (typeof value === "boolean" || text === undefined) return false;
      const order = compareNumbers(text, pattern.text);
      if (order === undefined) return false;
      return {
        gt: order > 0,
        gte: order >= 0,
        lt: order < 0,
        lte: order <= 0,
      }[pattern.operator];
    }
    case "timepart": {
      const instant = parseTimestamp(value);
      if (instant === undefined) return false;
      const date = new Date(instant);
      return {
        minute: date.getUTCMinutes(),
        hour: date.getUTCHours(),
        day: date.getUTCDate(),
        week: isoWeek(instant),
        month: date.getUTCMonth() + 1,
        year: date.getUTCFullYear(),
      }[pattern.part] === pattern.value;
    }
    case "template": {
      return [0, 1].some((spelling) => {
        const filled = pattern.parts.map((part) => {
          if (part.kind === "text") return part.text;
          const options = spellingsOf(view.whole(internField(part.field)));
          return scalarText(options[spelling] ?? options[0]) ?? "";
        }).join("");
        return text !== undefined &&
          textHolds([{ kind: "text", text: filled }], pattern.operator, pattern.cased, text);
      });
    }
  }
}

function textHolds(
  tokens: readonly StringToken[],
  operator: StringOperator,
  cased: boolean,
  text: string,
): boolean {
  const split = (part: string) => [...(cased ? part : part.toLowerCase())];
  // U+0130 is one character for `?`, but two in lower case.
  const splitDotted = (part: string) => part.toLowerCase().match(/i\u0307|[^]/gu) ?? [];
  return globHolds(tokens, operator, text, split) ||
    (!cased && globHolds(tokens, operator, text, splitDotted));
}

/** `start` and `end` of a pattern are wildcards unless the operator anchors them. */
function globHolds(
  tokens: readonly StringToken[],
  operator: StringOperator,
  text: string,
  split: (text: string) => readonly string[],
): boolean {
  const any: StringToken = { kind: "any" };
  const open = operator === "contains" || operator === "endswith" ? [any] : [];
  const close = operator === "contains" || operator === "startswith" ? [any] : [];
  const pattern: (StringToken | string)[] = [...open, ...tokens, ...close].flatMap((
    token,
  ): (StringToken | string)[] => token.kind === "text" ? [...split(token.text)] : [token]);
  const characters = split(text);
  // Which prefixes of the text the pattern read so far can have consumed.
  let reached = [true, ...characters.map(() => false)];
  for (const part of pattern) {
    const next = characters.map(() => false);
    next.push(false);
    const star = typeof part !== "string" && part.kind === "any";
    for (let at = 0; at <= characters.length; at++) {
      if (star) next[at] = reached[at]! || (at > 0 && next[at - 1]!);
      else if (at > 0) next[at] = reached[at - 1]! && characterHolds(part, characters[at - 1]!);
    }
    reached = next;
  }
  return reached[characters.length]!;
}

function characterHolds(part: StringToken | string, character: string): boolean {
  if (typeof part === "string") return part === character;
  return part.kind === "dash" ? "-/\u2013\u2014\u2015".includes(character) : true;
}

/** Fields whose hexadecimal texts are numbers. */
const HEX_FIELD = /^(?:(?:Parent|New|Source|Target|Caller|Client)?Process|(?:Source)?Thread)Id$/;

function numberHolds(expected: string, text: string, field: string | undefined): boolean {
  const hex = field !== undefined && HEX_FIELD.test(field) && /^0x[0-9a-f]+$/i.test(text);
  if (/[in]/i.test(expected)) return false; // Infinities and NaN equal nothing.
  return compareNumbers(hex ? BigInt(text).toString() : text, expected) === 0;
}

/** Negative, zero or positive as `left` is less, equal or greater; `undefined` if not comparable. */
function compareNumbers(left: string, right: string): number | undefined {
  const integers = /^[+-]?\d+$/;
  if (integers.test(left) && integers.test(right)) {
    const difference = BigInt(left.replace("+", "")) - BigInt(right.replace("+", ""));
    return difference === 0n ? 0 : difference < 0n ? -1 : 1;
  }
  const a = parseStrictNumber(left);
  const b = parseStrictNumber(right);
  if (a === undefined || b === undefined || Number.isNaN(a) || Number.isNaN(b)) return undefined;
  return a === b ? 0 : a < b ? -1 : 1;
}

function spellingsOf(value: Value | undefined): readonly (Value | undefined)[] {
  return value instanceof Spellings ? [...value] : [value];
}

const regexes = new Map<string, CompiledRegex>();

/** There are as many as rules have; compiling one for each event would take most of the time. */
function regexOf(source: string, flags: string): CompiledRegex {
  const key = `${flags}/${source}`;
  let regex = regexes.get(key);
  if (regex === undefined) regexes.set(key, regex = compileRegex(source, flags));
  return regex;
}

function fieldRefHolds(
  pattern: Pattern & { readonly kind: "fieldref" },
  left: Value | undefined,
  right: Value | undefined,
): boolean {
  if (left === undefined || right === undefined) return false;
  const texts = [scalarText(left), scalarText(right)];
  if (pattern.operator === "equals" && (pattern.cased || texts.includes(undefined))) {
    return equalValues(left, right);
  }
  const [text, other] = texts;
  if (text === undefined || other === undefined) return false;
  return textHolds([{ kind: "text", text: other }], pattern.operator, pattern.cased, text);
}

function equalValues(left: Value, right: Value): boolean {
  const tagged = (value: Value): string =>
    JSON.stringify(
      value,
      (_key, part: unknown) =>
        typeof part === "bigint"
          ? { bigint: part.toString() }
          : typeof part === "object" && part !== null && !Array.isArray(part)
          ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
          : part,
    );
  return tagged(left) === tagged(right);
}
