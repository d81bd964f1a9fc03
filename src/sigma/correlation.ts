/**
 * Correlation documents, read and checked; they are evaluated in `src/correlate`.
 *
 * @see sigma-rules.md, section 5.2; correlation.md, section 4
 */
import { parseStrictNumber } from "../event/value.ts";
import { parseConditionNode } from "./detection.ts";
import { texts } from "./metadata.ts";
import type { Reading } from "./options.ts";
import { RuleError } from "./problems.ts";
import type {
  CorrelationCondition,
  CorrelationRule,
  CorrelationType,
  RuleMetadata,
} from "./rule.ts";
import { didYouMean } from "./suggest.ts";
import { child, childText, nodeText, type YamlMap, type YamlNode } from "./yaml.ts";

export const CORRELATION_TYPES: readonly CorrelationType[] = [
  "event_count",
  "value_count",
  "temporal",
  "temporal_ordered",
  "value_sum",
  "value_avg",
  "value_percentile",
  "value_median",
];

export const WINDOWS: readonly CorrelationRule["window"][] = ["sliding", "tumbling", "session"];

/** In the order in which they are evaluated and shown. */
export const BOUND_OPERATORS = ["lt", "lte", "gt", "gte", "eq", "neq"] as const;

const SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  M: 2_629_746,
  y: 31_556_952,
};

/** Seconds of a duration such as `15m`; `undefined` if `text` is none or too long to count. */
export function parseTimespan(text: string): number | undefined {
  const match = /^([0-9]+)([smhdwMy])$/.exec(text);
  if (match === null) return undefined;
  const seconds = Number(match[1]) * SECONDS[match[2]!]!;
  return Number.isSafeInteger(seconds) ? seconds : undefined;
}

/** Whether a rule's condition may be an expression, and whether it may be missing. */
export function isTemporal(type: CorrelationType): boolean {
  return type === "temporal" || type === "temporal_ordered";
}

function isNumericAggregation(type: CorrelationType): boolean {
  return type !== "event_count" && type !== "value_count" && !isTemporal(type);
}

/**
 * Reads a correlation document.
 *
 * @throws {RuleError} The first thing that keeps it from being used.
 */
export function parseCorrelation(
  map: YamlMap,
  metadata: RuleMetadata,
  reading: Reading,
): CorrelationRule {
  const body = child(map, "correlation");
  if (body?.kind !== "map") {
    const message = "Invalid correlation rule: correlation must be a mapping";
    throw new RuleError("correlation_type", message, body?.at ?? map.at);
  }
  const type = parseType(body);
  const rules = texts(child(body, "rules"));
  if (rules.length === 0) {
    const message = "the correlation names no rules, so it never fires; list ids or names";
    reading.log.warn("correlation_rules", message, child(body, "rules")?.at ?? body.at);
  }
  return {
    kind: "correlation",
    ...metadata,
    type,
    rules,
    groupBy: texts(child(body, "group-by")),
    timespanSeconds: parseCorrelationTimespan(body),
    ...parseWindow(map, body),
    condition: parseCorrelationCondition(body, type, rules, reading),
    aliases: parseAliases(child(body, "aliases")),
    generate: flag(child(map, "generate")) ?? flag(child(body, "generate")) ?? false,
  };
}

function parseType(body: YamlMap): CorrelationType {
  const written = childText(body, "type");
  if (written === undefined) {
    const message = "Invalid correlation rule: Missing correlation type; use one of " +
      CORRELATION_TYPES.join(", ");
    throw new RuleError("correlation_type", message, child(body, "type")?.at ?? body.at);
  }
  const type = CORRELATION_TYPES.find((known) => known === written);
  if (type !== undefined) return type;
  const hint = didYouMean(written, CORRELATION_TYPES) ||
    `; known are ${CORRELATION_TYPES.join(", ")}`;
  const message = `Invalid correlation rule: Unknown correlation type: ${written}${hint}`;
  throw new RuleError("correlation_type", message, child(body, "type")!.at);
}

function parseCorrelationTimespan(body: YamlMap): number {
  const candidates = ["timeframe", "timespan"].map((key) => child(body, key));
  const node = candidates.find((candidate) => candidate?.kind === "string");
  if (node?.kind !== "string") {
    const message = "Invalid correlation rule: Missing timeframe; write a timespan such as 15m " +
      "(a bare number has no unit)";
    const at = candidates.find((candidate) => candidate !== undefined)?.at ?? body.at;
    throw new RuleError("invalid_timespan", message, at);
  }
  return timespanAt(node.text, node.at);
}

function timespanAt(text: string, at: number): number {
  const seconds = parseTimespan(text);
  if (seconds !== undefined) return seconds;
  const message = `Invalid timespan '${text}': write a number and one of s m h d w M y, as in 15m`;
  throw new RuleError("invalid_timespan", message, at);
}

function parseWindow(
  map: YamlMap,
  body: YamlMap,
): Pick<CorrelationRule, "window" | "gapSeconds"> {
  const windowNode = override(map, "window") ?? child(body, "window");
  const gapNode = override(map, "gap") ?? child(body, "gap");
  const window = windowNode === undefined ? "sliding" : parseWindowMode(windowNode);
  const fail = (message: string, at: number): never => {
    throw new RuleError("correlation_window", `Invalid correlation rule: ${message}`, at);
  };
  if (gapNode === undefined) {
    if (window !== "session") return { window };
    return fail("window: session requires a 'gap', such as gap: 5m", windowNode!.at);
  }
  if (gapNode.kind !== "string") {
    return fail("'gap' must be a string: quote it and give it a unit, as in '5m'", gapNode.at);
  }
  if (window !== "session") {
    const message = `'gap' is only valid with window: session, not window: ${window}; remove it`;
    return fail(message, gapNode.at);
  }
  return { window, gapSeconds: timespanAt(gapNode.text, gapNode.at) };
}

/** `rsigma.window` and its synonym, at the top level or, which wins, among the attributes. */
function override(map: YamlMap, name: string): YamlNode | undefined {
  const attributes = child(map, "custom_attributes");
  for (const holder of [attributes, map]) {
    if (holder?.kind !== "map") continue;
    for (const prefix of ["picket", "rsigma"]) {
      const node = child(holder, `${prefix}.${name}`);
      if (node !== undefined) return node;
    }
  }
  return undefined;
}

function parseWindowMode(node: YamlNode): CorrelationRule["window"] {
  const mode = WINDOWS.find((known) => node.kind === "string" && known === node.text);
  if (mode !== undefined) return mode;
  const expected = "(expected sliding, tumbling, or session)";
  const message = node.kind === "string"
    ? `Unknown window mode: ${node.text} ${expected}${didYouMean(node.text, WINDOWS)}`
    : `'window' must be a string ${expected}`;
  throw new RuleError("correlation_window", `Invalid correlation rule: ${message}`, node.at);
}

function parseCorrelationCondition(
  body: YamlMap,
  type: CorrelationType,
  rules: readonly string[],
  reading: Reading,
): CorrelationRule["condition"] {
  const node = child(body, "condition");
  const fail = (message: string, at: number): never => {
    throw new RuleError("correlation_condition", `Invalid correlation rule: ${message}`, at);
  };
  if (node === undefined) {
    if (isTemporal(type)) return impliedCondition(rules);
    return fail(
      "Non-temporal correlation rule requires a condition, such as condition: {gte: 5}",
      body.at,
    );
  }
  if (node.kind === "string") {
    if (!isTemporal(type)) {
      const message = "Extended conditions are only supported for temporal correlation types; " +
        "write a mapping such as {gte: 5}";
      return fail(message, node.at);
    }
    // Ids and names are told apart when all rules are known, so `assemble.ts` checks the names.
    const expression = parseConditionNode(node, rules, reading, true)[0];
    return expression === undefined ? impliedCondition(rules) : { expression };
  }
  if (node.kind !== "map") {
    return fail("Correlation condition must be a mapping or string", node.at);
  }
  const condition = thresholds(node);
  if (isNumericAggregation(type) && condition.fields.length > 1) {
    const message = `${type} correlation requires a single numeric field, but ` +
      `${condition.fields.length} were declared`;
    return fail(message, child(node, "field")!.at);
  }
  if (condition.bounds.length > 0) return condition;
  if (isTemporal(type)) return { ...condition, ...impliedCondition(rules) };
  const message = "Correlation condition must have an operator (lt, lte, gt, gte, eq, neq)";
  return fail(message, node.at);
}

/** What a temporal correlation without thresholds means: every rule it names has matched. */
function impliedCondition(rules: readonly string[]): CorrelationCondition {
  const value = new Set(rules).size;
  return { bounds: [{ operator: "gte", value }], fields: [], implied: true };
}

function thresholds(node: YamlMap): CorrelationCondition {
  const bounds = BOUND_OPERATORS.flatMap((operator) => {
    const written = child(node, operator);
    if (written === undefined) return [];
    const value = finiteNumber(written);
    if (value !== undefined) return [{ operator, value }];
    const message = "Invalid correlation rule: correlation condition operator " +
      `'${operator}' requires a numeric value`;
    throw new RuleError("correlation_condition", message, written.at);
  });
  const percentile = finiteNumber(child(node, "percentile"));
  return {
    bounds,
    fields: texts(child(node, "field")),
    ...(percentile === undefined ? {} : { percentile }),
  };
}

function finiteNumber(node: YamlNode | undefined): number | undefined {
  if (node?.kind !== "integer" && node?.kind !== "float") return undefined;
  const value = parseStrictNumber(nodeText(node));
  return value !== undefined && Number.isFinite(value) ? value + 0 : undefined;
}

function parseAliases(node: YamlNode | undefined): CorrelationRule["aliases"] {
  if (node?.kind !== "map") return {};
  const aliases = node.entries.flatMap(({ key, isText, value }) => {
    if (!isText || value.kind !== "map") return [];
    const fields = value.entries.flatMap((entry) =>
      entry.isText && entry.value.kind === "string" ? [[entry.key, entry.value.text] as const] : []
    );
    return [[key, Object.fromEntries(fields)] as const];
  });
  return Object.fromEntries(aliases);
}

function flag(node: YamlNode | undefined): boolean | undefined {
  return node?.kind === "boolean" ? node.value : undefined;
}
