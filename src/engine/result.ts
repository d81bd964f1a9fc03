/**
 * What a match looks like on the wire: the JSON shape of the reference, keys in its order.
 */
import type { Value } from "../event/value.ts";
import type { Level } from "../sigma/rule.ts";

/** How much a result says about why it matched. */
export type MatchDetail = "off" | "summary" | "full";
export const MATCH_DETAILS: readonly MatchDetail[] = ["off", "summary", "full"];

/** How a value was compared. */
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
  /** What the event has there. */
  readonly value: Value;
  /** The selection it stands in. */
  readonly selection?: string;
  /** How it was compared. */
  readonly matcher?: MatcherName;
  /** What it was compared with; with `full`. */
  readonly pattern?: string;
  /** Whether letter case counted. */
  readonly case_sensitive?: boolean;
  /** It had to be otherwise. */
  readonly negated?: true;
}

/** One rule that matched one event. */
export interface DetectionResult {
  /** Of the rule. */
  readonly rule_title: string;
  /** Null if it has none. */
  readonly rule_id: string | null;
  /** Null if it names none. */
  readonly level: Level | null;
  /** As written: `attack.execution`. */
  readonly tags: readonly string[];
  /** What the rule says beyond Sigma. */
  readonly custom_attributes?: Readonly<Record<string, Value>>;
  /** What enrichers added, by their names. */
  readonly enrichments?: Readonly<Record<string, Value>>;
  /** Selections that hold, in the order of the rule. */
  readonly matched_selections: readonly string[];
  /** The fields that took part. */
  readonly matched_fields: readonly FieldMatch[];
  /** The filters that were tried and let the event pass. */
  readonly filters?: readonly { readonly id?: string; readonly title: string }[];
  /** The whole event, with `includeEvent`. */
  readonly event?: Value;
}
