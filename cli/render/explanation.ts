/**
 * Explanations as a tree of lines for people.
 */
import type {
  ArrayNode,
  ConditionNode,
  DetectionNode,
  ItemNode,
  MemberNode,
  RuleExplanation,
} from "../../src/engine/explain.ts";
import type { Blocker, NearMiss } from "../../src/engine/near_miss.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { isObject, type Value } from "../../src/event/value.ts";
import { fit, LEVEL_STYLES, pad, type Paint, plural, safeText, textWidth } from "./text.ts";

/** A value of the event longer than this is cut, in characters. */
const MAX_ACTUAL = 80;
const MAX_PATTERN = 60;
/** Of the fields that a line was decoded to: how many, and how long their values, in columns. */
const MAX_FIELDS = 40;
const MAX_FIELD = 200;
/** Patterns of a list that a line names. */
const MAX_LISTED = 3;

const REASONS: Readonly<Record<ItemNode["reason"], string>> = {
  matched: "matched",
  field_absent: "field absent",
  value_mismatch: "value mismatch",
  case_mismatch: "case mismatch",
  existence: "existence check failed",
  no_keyword_match: "no keyword match",
};

/** The tree of one rule. */
export function explanationLines(explanation: RuleExplanation, paint: Paint): string[] {
  const { rule_id: id, rule_title: title, level, matched, filters = [] } = explanation;
  const verdict = matched ? paint("MATCH", "green", "bold") : paint("NO MATCH", "red", "bold");
  const named = paint(safeText(title), "bold") + (id === undefined ? "" : ` (${safeText(id)})`);
  const tree = new Tree(paint);
  tree.logsource(explanation);
  if (explanation.conditions.length === 1) tree.condition(explanation.conditions[0]!, 1);
  else {
    tree.group("any condition of", explanation.conditions.some(isMatched), 1);
    for (const condition of explanation.conditions) tree.condition(condition, 2);
  }
  for (const filter of filters) {
    tree.group(
      `filter ${safeText(filter.title)}${filter.matched ? "" : " keeps the rule from firing"}`,
      filter.matched,
      1,
    );
    for (const condition of filter.conditions) tree.condition(condition, 2);
  }
  const shown = level === undefined ? "" : ` ${paint(`[${level}]`, ...LEVEL_STYLES[level] ?? [])}`;
  return [`${named}${shown}: ${verdict}`, ...tree.lines];
}

/** A rule that did not match, and what was in the way. */
export function nearMissLines(
  { rule_title: title, rule_id: id, level, logsource }: RuleExplanation,
  { missing, held, blockers }: NearMiss,
  paint: Paint,
): string[] {
  const shown = level === undefined ? "" : ` ${paint(`[${level}]`, ...LEVEL_STYLES[level] ?? [])}`;
  const distance = Number.isFinite(missing)
    ? `${missing} of ${missing + held} ${missing + held === 1 ? "check" : "checks"} missing`
    : "can never match";
  const tree = new Tree(paint);
  for (const dimension of logsource.mismatched) {
    tree.line(
      1,
      false,
      `logsource ${dimension} is ${safeText(logsource.rule[dimension] ?? "")} ` +
        `in the rule, ${eventDimension(logsource, dimension)} in the event`,
    );
  }
  for (const blocker of blockers) tree.blocker(blocker);
  return [
    `${paint(safeText(title), "bold")}${id === undefined ? "" : ` (${safeText(id)})`}${shown}: ` +
    paint(distance, "yellow"),
    ...tree.lines,
  ];
}

/** Fields of an event, one a line; those that are objects with all that is in them. */
export function fieldLines(value: Value, paint: Paint): string[] {
  if (!isObject(value)) return [`  ${paint(fit(safeText(jsonText(value)), MAX_FIELD), "dim")}`];
  const fields = Object.entries(value);
  const shown = fields.slice(0, MAX_FIELDS);
  const width = Math.max(0, ...shown.map(([name]) => textWidth(safeText(name))));
  const lines = shown.map(([name, one]) => {
    const text = typeof one === "string" ? one : jsonText(one);
    return `  ${paint(pad(safeText(name), width), "cyan")}  ${fit(safeText(text), MAX_FIELD)}`;
  });
  const more = fields.length - shown.length;
  return more > 0 ? [...lines, `  … and ${plural(more, "more field")}`] : lines;
}

/** Which logsource an event was given. */
export function logsourceText({ event }: RuleExplanation["logsource"]): string {
  const parts = [
    event.product === undefined ? [] : [`product ${event.product}`],
    event.services === undefined ? [] : [`service ${listed(event.services)}`],
    event.categories === undefined ? [] : [`category ${listed(event.categories)}`],
  ].flat();
  return parts.length === 0 ? "unknown, so every rule applies" : safeText(parts.join(", "));
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(" or ");
}

function eventDimension(
  { event }: RuleExplanation["logsource"],
  dimension: string,
): string {
  switch (dimension) {
    case "product":
      return safeText(event.product ?? "unknown");
    case "service":
      return safeText(listed(event.services ?? []));
    case "category":
      return safeText(listed(event.categories ?? []));
    default:
      return "something else";
  }
}

function isMatched(node: { readonly matched: boolean }): boolean {
  return node.matched;
}

class Tree {
  readonly lines: string[] = [];
  readonly #paint: Paint;

  constructor(paint: Paint) {
    this.#paint = paint;
  }

  line(depth: number, matched: boolean, text: string): void {
    const verdict = matched ? this.#paint("PASS", "green") : this.#paint("FAIL", "red");
    this.lines.push(`${"  ".repeat(depth)}${verdict} ${text}`);
  }

  group(name: string, matched: boolean, depth: number): void {
    this.line(depth, matched, `${name}:`);
  }

  logsource({ logsource }: RuleExplanation): void {
    const { applies, mismatched, rule } = logsource;
    const wanted = Object.entries(rule).map(([name, value]) => `${name} ${value}`).join(", ");
    if (applies) {
      this.line(1, true, `logsource ${wanted === "" ? "any" : safeText(wanted)}`);
      return;
    }
    if (logsource.by_absence === true && mismatched.length === 0) {
      const why = "does not apply: the rule matches by what an event lacks, and nobody knows " +
        "which log this line is of; see --logsource";
      this.line(1, false, `logsource ${safeText(wanted)} (${why})`);
      return;
    }
    this.line(
      1,
      false,
      `logsource ${safeText(wanted)} (does not apply: the event's ` +
        `${mismatched.map((name) => `${name} is ${eventDimension(logsource, name)}`).join(", ")})`,
    );
  }

  condition(node: ConditionNode, depth: number): void {
    switch (node.type) {
      case "selection":
        this.group(this.#paint(safeText(node.name), "cyan"), node.matched, depth);
        this.detection(node.detection, depth + 1);
        break;
      case "and":
      case "or":
        this.group(node.type === "and" ? "all of" : "any of", node.matched, depth);
        for (const child of node.children) this.condition(child, depth + 1);
        break;
      case "not":
        this.group("not", node.matched, depth);
        this.condition(node.child, depth + 1);
        break;
      case "quantified": {
        const { quantifier, pattern, got, need, branches } = node;
        const asked = `${quantifier === "any" ? "any" : String(quantifier)} of ${
          safeText(pattern)
        }`;
        this.group(`${asked} (${got}/${need} matched)`, node.matched, depth);
        for (const { name, matched, detection } of branches) {
          this.group(this.#paint(safeText(name), "cyan"), matched, depth + 1);
          this.detection(detection, depth + 2);
        }
        break;
      }
    }
  }

  detection(node: DetectionNode, depth: number): void {
    switch (node.type) {
      case "all_of":
        for (const item of node.items) this.line(depth, item.matched, this.#item(item));
        break;
      case "keywords":
        this.line(depth, node.matched, this.#item(node.item));
        break;
      case "any_of":
        this.group("any of", node.matched, depth);
        for (const branch of node.branches) {
          const isGroup = branch.type === "all_of" && branch.items.length > 1;
          if (isGroup) this.group("all of", branch.matched, depth + 1);
          this.detection(branch, depth + (isGroup ? 2 : 1));
        }
        break;
      case "and":
        for (const branch of node.branches) this.detection(branch, depth);
        break;
      case "array":
        this.line(depth, node.matched, this.#array(node));
        for (const member of node.members) this.#member(member, depth + 1);
        if (node.omitted !== undefined) {
          this.lines.push(`${"  ".repeat(depth + 1)}… and ${node.omitted} more members`);
        }
        break;
    }
  }

  /** An item in the way of a match, with the selection it is in. */
  blocker({ selection, filter, wanted, node, member }: Blocker): void {
    const places = [
      ...(filter === undefined ? [] : [`filter ${safeText(filter)}`]),
      safeText(selection),
      ...(member === undefined ? [] : [`member ${member}`]),
    ];
    const text = "size" in node ? this.#array(node) : this.#item(node);
    const note = wanted ? "" : this.#paint("  must not hold", "yellow");
    this.line(1, wanted ? false : true, `${this.#paint(places.join(" "), "cyan")}: ${text}${note}`);
  }

  #member(member: MemberNode, depth: number): void {
    this.group(`member ${member.index}  ${this.#actual(member.actual)}`, member.matched, depth);
    if (member.detection !== undefined) this.detection(member.detection, depth + 1);
    for (const condition of member.conditions ?? []) this.condition(condition, depth + 1);
  }

  #array(node: ArrayNode): string {
    const name = `${safeText(node.field)}[${node.quantifier}]`;
    const found = node.found_as === undefined ? "" : ` <- ${safeText(node.found_as)}`;
    const of = node.size === 1 ? "member satisfies it" : "members satisfy it";
    switch (node.reason) {
      case "field_absent":
        return `${name}${found} (field absent)`;
      case "no_members":
        return `${name}${found} (the array is empty)`;
      case "matched":
      case "value_mismatch":
        return `${name}${found} (${node.satisfied} of ${node.size} ${of})`;
    }
  }

  #item(item: ItemNode): string {
    const { field, negated, actual, matched, found_as: foundAs } = item;
    const name = field === undefined ? "" : safeText(field);
    const source = foundAs === undefined ? "" : this.#paint(` <- ${safeText(foundAs)}`, "cyan");
    const hit = item.hit === undefined ? "" : `  hit=${quoted(item.hit)}`;
    const unmet = item.unmet === undefined
      ? ""
      : `  missing=${item.unmet.slice(0, MAX_LISTED).map(quoted).join(", ")}`;
    const value = actual === undefined ? "" : `  ${this.#actual(actual)}`;
    const why = matched ? "" : this.#paint(` (${reasonText(item)})`, "yellow");
    return `${name}${source}${name === "" ? "" : "|"}${matcherText(item)}` +
      `${negated ? "|neq" : ""}${patternText(item)}${hit}${unmet}${value}${why}`;
  }

  #actual(value: Value): string {
    return this.#paint(`actual=${fit(safeText(jsonText(value)), MAX_ACTUAL)}`, "dim");
  }
}

function matcherText({ matcher, patterns, written }: ItemNode): string {
  if (written !== undefined && matcher !== "keyword") return written.matcher;
  if (patterns === undefined) return matcher;
  return `${patterns.matcher ?? matcher} ${patterns.join} of`;
}

function patternText({ pattern, patterns, written }: ItemNode): string {
  if (written !== undefined) return ` ${quoted(written.text)}`;
  if (patterns === undefined) return pattern === undefined ? "" : ` ${quoted(pattern)}`;
  const shown = patterns.first.slice(0, MAX_LISTED).map(quoted);
  const more = patterns.count - shown.length;
  return ` ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function quoted(text: string): string {
  return `"${fit(safeText(text), MAX_PATTERN)}"`;
}

function reasonText(item: ItemNode): string {
  const text = item.negated && item.reason === "value_mismatch"
    ? "the value is one that is excluded"
    : REASONS[item.reason];
  return item.similar_field === undefined
    ? text
    : `${text}; the event has ${safeText(item.similar_field)}`;
}
