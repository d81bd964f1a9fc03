/**
 * What a match looks like on the wire: the JSON shape of the reference, keys in its order.
 */
import type { Value } from "../event/value.ts";
import type { Level } from "../sigma/rule.ts";

/** How much a result says about why it matched. */
export type MatchDetail = "off" | "summary" | "full";
export const MATCH_DETAILS: readonly MatchDetail[] = ["off", "summary", "full"];

export type MatcherName =
  | "exact"
  | "contains"
  | "startswith"
  | "endswith"
  | "regex"
  | "one_of"
  | "cidr"
  | "numeric"
  | "exists"
  | "fieldref"
  | "null"
  | "bool"
  | "expand"
  | "timestamp"
  | "keyword";

/** One field that took part in a match. All but the first two keys need a match detail. */
export interface FieldMatch {
  /** `keyword` for a text found anywhere. */
  readonly field: string;
  readonly value: Value;
  readonly selection?: string;
  readonly matcher?: MatcherName;
  readonly pattern?: string;
  readonly case_sensitive?: boolean;
  readonly negated?: true;
}

/** One rule that matched one event. */
export interface DetectionResult {
  readonly rule_title: string;
  readonly rule_id: string | null;
  readonly level: Level | null;
  readonly tags: readonly string[];
  readonly custom_attributes?: Readonly<Record<string, Value>>;
  readonly enrichments?: Readonly<Record<string, Value>>;
  readonly matched_selections: readonly string[];
  readonly matched_fields: readonly FieldMatch[];
  /** The filters that were tried and let the event pass. */
  readonly filters?: readonly { readonly id?: string; readonly title: string }[];
  readonly event?: Value;
}
