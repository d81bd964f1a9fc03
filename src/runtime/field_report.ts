/**
 * Fields that events have beside fields that rules ask for.
 *
 * A field of Windows events has several names: one that answers to a rule's name counts as that.
 *
 * @see inputs.md, section 17
 */
import { SYSTEM_ATTRIBUTES } from "../decode/windows_names.ts";
import { eventFieldNames } from "../pipeline/builtin/windows_logsource.ts";
import { ADDED_FIELDS, type FieldCounts } from "../schema/field_observer.ts";
import type { CorrelationRule, DetectionRule, FilterRule } from "../sigma/rule.ts";
import { type FieldSource, ruleFields } from "../sigma/rule_fields.ts";

/** In what part of a rule a field stands, coarsely. */
export type FieldOrigin = "correlation" | "detection" | "filter" | "metadata";

/** What asks for a field. */
export interface RuleFieldUse {
  /** Rules of any kind. */
  readonly ruleCount: number;
  /** In alphabetical order. */
  readonly origins: readonly FieldOrigin[];
  /** The first of them, in the order of the rules. */
  readonly titles: readonly string[];
}

/** By field. */
export type RuleFieldTable = ReadonlyMap<string, RuleFieldUse>;

/** A field that rules ask for and no event had; the JSON of it. */
export interface MissingField {
  readonly field: string;
  readonly rule_count: number;
  readonly sources: readonly FieldOrigin[];
  readonly rule_titles: readonly string[];
  /** There are more rules than titles. */
  readonly truncated: boolean;
}

/** A field that events had and no rule asks for; the JSON of it. */
export interface UnknownField {
  readonly field: string;
  readonly count: number;
}

/** The numbers of a report. */
export interface FieldSummary {
  readonly events_observed: number;
  readonly unique_keys_observed: number;
  readonly rule_fields_loaded: number;
  readonly overflow_dropped: number;
  readonly max_keys: number;
  readonly uptime_seconds: number;
  readonly intersection_count: number;
  readonly unknown_count: number;
  readonly missing_count: number;
}

/** What was observed, joined with what rules ask for; the JSON of it. */
export interface FieldReport {
  readonly summary: FieldSummary;
  /** Most frequent first. */
  readonly unknown: readonly UnknownField[];
  /** By name. */
  readonly missing: readonly MissingField[];
}

const MAX_TITLES = 10;

const ORIGINS: Readonly<Record<FieldSource, FieldOrigin>> = {
  detection: "detection",
  reference: "detection",
  filter: "filter",
  group_by: "correlation",
  condition: "correlation",
  alias: "correlation",
};

/** The fields that rules ask for, and those they name as worth a look. */
export function ruleFieldTable(
  rules: {
    readonly rules: readonly DetectionRule[];
    readonly correlations?: readonly CorrelationRule[];
    readonly filters?: readonly FilterRule[];
  },
): RuleFieldTable {
  const table = new Map<
    string,
    { ruleCount: number; readonly origins: Set<FieldOrigin>; readonly titles: string[] }
  >();
  for (const rule of [...rules.rules, ...rules.correlations ?? [], ...rules.filters ?? []]) {
    const own = new Map<string, Set<FieldOrigin>>();
    const add = (field: string, origin: FieldOrigin): void => {
      const known = own.get(field);
      if (known === undefined) own.set(field, new Set([origin]));
      else known.add(origin);
    };
    for (const { field, source } of ruleFields(rule)) add(field, ORIGINS[source]);
    for (const field of rule.fields) add(field, "metadata");
    for (const [field, origins] of own) {
      let entry = table.get(field);
      if (entry === undefined) {
        table.set(field, entry = { ruleCount: 0, origins: new Set(), titles: [] });
      }
      entry.ruleCount++;
      for (const origin of origins) entry.origins.add(origin);
      if (entry.titles.length < MAX_TITLES) entry.titles.push(rule.title);
    }
  }
  return new Map(
    [...table].map(([field, { ruleCount, origins, titles }]) => [
      field,
      { ruleCount, titles, origins: [...origins].sort() },
    ]),
  );
}

/** Joins what was observed with what rules ask for. */
export function fieldReport(
  observed: FieldCounts,
  asked: RuleFieldTable,
  uptimeSeconds: number,
): FieldReport {
  const seen = new Set(observed.fields.map(([name]) => name));
  const answering = new Set<string>();
  const missing: MissingField[] = [];
  for (const [field, { ruleCount, origins, titles }] of asked) {
    const names = answersTo(field).filter((name) => seen.has(name));
    for (const name of names) answering.add(name);
    if (names.length > 0) continue;
    missing.push({
      field,
      rule_count: ruleCount,
      sources: origins,
      rule_titles: titles,
      truncated: ruleCount > titles.length,
    });
  }
  missing.sort((left, right) => left.field < right.field ? -1 : 1);
  const unknown = observed.fields
    .filter(([name]) => !answering.has(name) && !ADDED_FIELDS.has(name))
    .map(([field, count]) => ({ field, count }));
  return {
    summary: {
      events_observed: observed.events,
      unique_keys_observed: observed.fields.length,
      rule_fields_loaded: asked.size,
      overflow_dropped: observed.overflow,
      max_keys: observed.maxKeys,
      uptime_seconds: uptimeSeconds,
      intersection_count: asked.size - missing.length,
      unknown_count: unknown.length,
      missing_count: missing.length,
    },
    unknown,
    missing,
  };
}

let others: ReadonlyMap<string, ReadonlySet<string>> | undefined;

/** The names in events that answer to a rule's `field`, itself first. */
function answersTo(field: string): readonly string[] {
  others ??= otherNames();
  return [field, ...others.get(field) ?? []];
}

function otherNames(): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  const add = (field: string, name: string): void => {
    if (field === name) return;
    const known = names.get(field);
    if (known === undefined) names.set(field, new Set([name]));
    else known.add(name);
  };
  for (const [field, answers] of eventFieldNames()) {
    for (const name of answers) add(field, name);
  }
  const places = new Map<string, string[]>();
  for (const [name, [element, attribute]] of SYSTEM_ATTRIBUTES) {
    const place = `${element}.${attribute}`;
    const same = places.get(place);
    if (same === undefined) places.set(place, [name]);
    else same.push(name);
  }
  for (const same of places.values()) {
    for (const field of same) for (const name of same) add(field, name);
  }
  return names;
}
