/**
 * What the admin API asks about the fields and schemas of events, and the JSON of the answers.
 *
 * @see daemon.md 3.16 and 3.17
 */
import { z } from "zod";
import type { FieldReport } from "../runtime/field_report.ts";
import type { DiscoveryReport } from "../schema/discovery.ts";

const count = z.int().nonnegative();
const uptime = z.number().nonnegative();

export const fieldSummary = z.object({
  events_observed: count,
  unique_keys_observed: count,
  rule_fields_loaded: count,
  overflow_dropped: count,
  max_keys: count,
  uptime_seconds: uptime,
  intersection_count: count,
  unknown_count: count,
  missing_count: count,
});

/** A field that events have and no rule asks for. */
export const unknownField = z.object({ field: z.string(), count });

/** A field that rules ask for and no event had. */
export const missingField = z.object({
  field: z.string(),
  rule_count: count,
  sources: z.array(z.enum(["correlation", "detection", "filter", "metadata"])),
  rule_titles: z.array(z.string()),
  truncated: z.boolean(),
});

export const schemaReport = z.object({
  summary: z.object({
    events_observed: count,
    classified: count,
    unknown: count,
    ambiguous: count,
    uptime_seconds: uptime,
  }),
  by_schema: z.array(z.object({ schema: z.string(), count })),
  unknown_shapes: z.array(z.object({ keys: z.array(z.string()), count })),
  /** How many rules events of a schema meet; empty without routing by schema and logsource. */
  routing_pruning: z.array(z.object({ schema: z.string(), eligible: count, pruned: count })),
});
export type SchemaReport = z.infer<typeof schemaReport>;

export const suggestionReport = z.object({
  summary: z.object({
    events_mined: count,
    shapes: count,
    clusters: count,
    candidates: count,
  }),
  candidates: z.array(z.object({
    name: z.string(),
    specificity: count,
    source: z.enum(["corpus", "keys-only"]),
    support: count,
    coverage_of_unknown: z.number(),
    predicates: z.array(z.string()),
    sample_field_sets: z.array(z.array(z.string())),
    overlap_warnings: z.array(z.string()),
  })),
  signatures_yaml: z.string(),
});

/** Everything answers `undefined` while that kind of observation is off. */
export interface ObserverView {
  fields(): FieldReport | undefined;
  /** Returns what was counted before. */
  resetFields(): { readonly keys: number; readonly events: number } | undefined;
  schemas(): SchemaReport | undefined;
  /** Returns what was counted before. */
  resetSchemas(): { readonly classified: number; readonly unknown: number } | undefined;
  /** `undefined` also where schemas are observed without discovery. */
  suggestions(): DiscoveryReport | undefined;
}
