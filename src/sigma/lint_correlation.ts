/**
 * Lint of correlation documents.
 *
 * @see sigma-rules.md, section 25, group "correlation"; correlation.md, section 35
 */
import {
  BOUND_OPERATORS,
  CORRELATION_TYPES,
  isTemporal,
  parseTimespan,
  WINDOWS,
} from "./correlation.ts";
import type { Report } from "./lint.ts";
import { texts } from "./metadata.ts";
import type { CorrelationType } from "./rule.ts";
import { didYouMean } from "./suggest.ts";
import { child, type YamlMap, type YamlNode } from "./yaml.ts";

const NEEDS_FIELD: readonly string[] = [
  "value_count",
  "value_sum",
  "value_avg",
  "value_percentile",
  "value_median",
];

export function lintCorrelation(map: YamlMap, report: Report): void {
  const body = child(map, "correlation");
  if (body?.kind !== "map") {
    const message = "correlation must be a mapping";
    report("missing_correlation", message, body?.at ?? map.at, "correlation");
    return;
  }
  const type = lintType(body, report);
  lintRuleList(body, type, report);
  lintTimes(body, report);
  lintCondition(body, type, report);
  lintAliases(body, report);
  if (child(body, "group-by") === undefined) {
    const message = "without group-by all events of all hosts and users are counted together";
    report("missing_group_by", message, body.at, "correlation");
  }
  for (const [holder, steps] of [[map, []], [body, ["correlation"]]] as const) {
    const generate = child(holder, "generate");
    if (generate === undefined || generate.kind === "boolean") continue;
    const message = "generate is true or false";
    report("generate_not_boolean", message, generate.at, ...steps, "generate");
  }
}

function lintType(body: YamlMap, report: Report): CorrelationType | undefined {
  const node = child(body, "type");
  if (node === undefined) {
    report("missing_correlation_type", "a correlation needs a type", body.at, "correlation");
    return undefined;
  }
  const written = node.kind === "string" ? node.text : "";
  const type = CORRELATION_TYPES.find((known) => known === written);
  if (type !== undefined) return type;
  const hint = didYouMean(written, CORRELATION_TYPES) ||
    `; known are ${CORRELATION_TYPES.join(", ")}`;
  const message = `unknown correlation type '${written}'${hint}`;
  report("invalid_correlation_type", message, node.at, "correlation", "type");
  return undefined;
}

function lintRuleList(body: YamlMap, type: CorrelationType | undefined, report: Report): void {
  const node = child(body, "rules");
  if (node === undefined) {
    const message = "a correlation needs the ids or names of rules";
    report("missing_correlation_rules", message, body.at, "correlation");
    return;
  }
  const rules = texts(node);
  if (rules.length === 0) {
    const message = "without rules the correlation never fires";
    report("empty_correlation_rules", message, node.at, "correlation", "rules");
  }
  if (type === "temporal_ordered" && new Set(rules).size < rules.length) {
    const message = "a rule listed twice in an order can hold once only";
    report("repeated_correlation_rule", message, node.at, "correlation", "rules");
  }
}

function lintTimes(body: YamlMap, report: Report): void {
  const timespan = child(body, "timeframe") ?? child(body, "timespan");
  if (timespan === undefined) {
    const message = "a correlation needs a timespan such as 15m";
    report("missing_correlation_timespan", message, body.at, "correlation");
  } else {
    lintDuration("invalid_timespan_format", timespan, "timespan", report);
  }
  const window = child(body, "window");
  const gap = child(body, "gap");
  const mode = window === undefined
    ? "sliding"
    : WINDOWS.find((known) => window.kind === "string" && known === window.text);
  if (gap !== undefined) lintDuration("invalid_gap_format", gap, "gap", report);
  if (mode === undefined) {
    const message = `window is one of ${WINDOWS.join(", ")}`;
    report("invalid_window_mode", message, window!.at, "correlation", "window");
  } else if (mode === "session" && gap === undefined) {
    const message = "a session needs a gap such as 5m";
    report("missing_session_gap", message, window!.at, "correlation", "window");
  } else if (mode !== "session" && gap !== undefined) {
    const message = `gap has no meaning for a ${mode} window`;
    report("gap_without_session", message, gap.at, "correlation", "gap");
  }
}

function lintDuration(
  rule: "invalid_timespan_format" | "invalid_gap_format",
  node: YamlNode,
  key: string,
  report: Report,
): void {
  if (node.kind === "string" && parseTimespan(node.text) !== undefined) return;
  const message = `${key} is a number and one of s m h d w M y, as in 15m`;
  report(rule, message, node.at, "correlation", key);
}

function lintCondition(body: YamlMap, type: CorrelationType | undefined, report: Report): void {
  const node = child(body, "condition");
  const steps = ["correlation", "condition"];
  if (node === undefined) {
    if (type === undefined || isTemporal(type)) return;
    const message = "say how many, for instance condition: {gte: 5}";
    report("missing_correlation_condition", message, body.at, "correlation");
    return;
  }
  if (node.kind === "string" && /\bnot\b/.test(node.text)) {
    const message = "'not' holds as long as the other rule has not matched yet, so the " +
      "correlation may fire before it does";
    report("not_in_temporal_condition", message, node.at, ...steps);
  }
  if (node.kind !== "map") return;
  if (
    type !== undefined && NEEDS_FIELD.includes(type) && texts(child(node, "field")).length === 0
  ) {
    report("missing_condition_field", `${type} needs a field`, node.at, ...steps);
  }
  for (const { key, value, at } of node.entries) {
    if (BOUND_OPERATORS.some((operator) => operator === key)) {
      lintBound(key, value, type, report);
    } else if (key === "percentile") {
      lintPercentile(value, report);
    } else if (key !== "field") {
      const message = `unknown operator '${key}'${didYouMean(key, BOUND_OPERATORS)}`;
      report("invalid_condition_operator", message, at, ...steps, key);
    }
  }
}

function lintBound(
  operator: string,
  node: YamlNode,
  type: CorrelationType | undefined,
  report: Report,
): void {
  const steps = ["correlation", "condition", operator];
  if (node.kind !== "integer" && node.kind !== "float") {
    report("condition_value_not_numeric", `${operator} needs a number`, node.at, ...steps);
    return;
  }
  const counts = type === "event_count" || type === "value_count";
  const bound = Number(node.text);
  const always = (operator === "gte" && bound <= 1) || (operator === "gt" && bound <= 0) ||
    operator === "lt" || operator === "lte";
  if (!counts || !always || (operator.startsWith("l") && bound < 1)) return;
  const message = `'${operator}: ${node.text}' holds at the first event already`;
  report("threshold_always_holds", message, node.at, ...steps);
}

function lintPercentile(node: YamlNode, report: Report): void {
  const rank = node.kind === "integer" ? Number(node.text) : NaN;
  if (rank >= 0 && rank <= 100) return;
  const message = "percentile is a whole number from 0 to 100";
  report("percentile_out_of_range", message, node.at, "correlation", "condition", "percentile");
}

function lintAliases(body: YamlMap, report: Report): void {
  const aliases = child(body, "aliases");
  if (aliases?.kind !== "map") return;
  const used = texts(child(body, "group-by"));
  const rules = texts(child(body, "rules"));
  const condition = child(body, "condition");
  const fields = condition?.kind === "map" ? texts(child(condition, "field")) : [];
  for (const { key, value, at } of aliases.entries) {
    if (!used.includes(key) && !fields.includes(key)) {
      const message = `alias '${key}' is not used in group-by`;
      report("unused_alias", message, at, "correlation", "aliases", key);
    }
    if (value.kind !== "map") continue;
    for (const inner of value.entries) {
      if (rules.includes(inner.key)) continue;
      const message = `'${inner.key}' is none of the correlation's rules${
        didYouMean(inner.key, rules)
      }`;
      report("alias_of_unknown_rule", message, inner.at, "correlation", "aliases", key, inner.key);
    }
  }
}
