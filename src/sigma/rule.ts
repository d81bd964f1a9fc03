/**
 * A checked Sigma rule: what the front end hands to the engine.
 *
 * Every modifier has been resolved here. An item holds patterns that say what must be true of a
 * value; which modifiers were written, in which order, no longer matters. Everything is plain data
 * that survives `JSON.stringify`, because a rule bundle is exactly that.
 */
import type { Value } from "../event/value.ts";

export type Level = "informational" | "low" | "medium" | "high" | "critical";
export const LEVELS: readonly Level[] = ["informational", "low", "medium", "high", "critical"];

export type Status = "stable" | "test" | "experimental" | "deprecated" | "unsupported";
export type RelatedType =
  | "correlation"
  | "derived"
  | "obsolete"
  | "merged"
  | "renamed"
  | "similar";

/** A place in a rule file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where a rule was read. `document` counts the file's YAML documents from 0. */
export interface RuleOrigin {
  readonly path: string;
  readonly document: number;
  readonly line: number;
}

export interface Logsource {
  readonly category?: string;
  readonly product?: string;
  readonly service?: string;
  readonly definition?: string;
  /** Any other key with a text value. */
  readonly custom: Readonly<Record<string, string>>;
}

export interface RuleMetadata {
  readonly title: string;
  readonly id?: string;
  readonly name?: string;
  readonly taxonomy?: string;
  readonly status?: Status;
  readonly description?: string;
  readonly license?: string;
  readonly author?: string;
  readonly date?: string;
  readonly modified?: string;
  readonly level?: Level;
  readonly related: readonly { readonly id: string; readonly type: RelatedType }[];
  readonly references: readonly string[];
  readonly fields: readonly string[];
  readonly falsepositives: readonly string[];
  readonly tags: readonly string[];
  readonly scope: readonly string[];
  /** The major of `sigma-version`; 2 when the document names none. */
  readonly sigmaVersion: number;
  /** Copied into results; keys in the order of the document. */
  readonly customAttributes: Readonly<Record<string, Value>>;
  readonly origin: RuleOrigin;
}

/** A piece of a string pattern. `dash` is any of `-` `/` U+2013 U+2014 U+2015 (`windash`). */
export type StringToken =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "one" }
  | { readonly kind: "dash" };

export type StringOperator = "equals" | "contains" | "startswith" | "endswith";
export type CompareOperator = "gt" | "gte" | "lt" | "lte";
export type TimePart = "minute" | "hour" | "day" | "week" | "month" | "year";

/** A part of a template whose placeholders are filled from the event (`expand`). */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "field"; readonly field: string };

/** What must be true of one value of a field. */
export type Pattern =
  | {
    readonly kind: "string";
    readonly operator: StringOperator;
    readonly tokens: readonly StringToken[];
    readonly cased: boolean;
  }
  /** `text` is the exact decimal text; an event string is compared as a number. */
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" }
  /** Checked to compile. `flags` is a subset of `ims`. */
  | { readonly kind: "regex"; readonly source: string; readonly flags: string }
  /** `address/prefix`, canonical. */
  | { readonly kind: "cidr"; readonly network: string }
  | { readonly kind: "exists"; readonly expected: boolean }
  | {
    readonly kind: "fieldref";
    readonly field: string;
    readonly operator: StringOperator;
    readonly cased: boolean;
  }
  | { readonly kind: "compare"; readonly operator: CompareOperator; readonly text: string }
  | { readonly kind: "timepart"; readonly part: TimePart; readonly value: number }
  | {
    readonly kind: "template";
    readonly operator: StringOperator;
    readonly parts: readonly TemplatePart[];
    readonly cased: boolean;
  }
  /** One written value that stands for several, as `base64offset` does: any of them. */
  | { readonly kind: "any"; readonly patterns: readonly Pattern[] };

/**
 * One line of a selection: a field and its patterns.
 *
 * Without `field` it is a keyword item: the patterns are tried on the text of each scalar leaf, or,
 * inside an array block, on the member itself.
 */
export interface Item {
  readonly field?: string;
  readonly patterns: readonly Pattern[];
  /** `all`: each pattern must hold; otherwise one of them. */
  readonly all: boolean;
  /** `neq`: the item holds if the field is present and its patterns, taken together, do not hold. */
  readonly negated: boolean;
  /** As written, for explanations: `Image|endswith`. */
  readonly key: string;
  readonly position: Position;
}

export type ArrayQuantifier = "any" | "all" | "all_or_empty" | "none";

/** What a selection means. Empty nodes are refused when a rule is read. */
export type Detection =
  | { readonly kind: "all_of"; readonly items: readonly Item[] }
  | { readonly kind: "any_of"; readonly branches: readonly Detection[] }
  | { readonly kind: "and"; readonly branches: readonly Detection[] }
  | { readonly kind: "keywords"; readonly item: Item }
  | {
    readonly kind: "array";
    readonly field: string;
    readonly quantifier: ArrayQuantifier;
    readonly body: ArrayBody;
  };

/** Tried on each member. Fields are looked up in the member, `fieldref` in the whole event. */
export type ArrayBody =
  | { readonly kind: "basic"; readonly detection: Detection }
  | {
    readonly kind: "extended";
    readonly selections: readonly Selection[];
    readonly conditions: readonly Condition[];
  };

export interface Selection {
  readonly name: string;
  readonly detection: Detection;
  readonly position: Position;
}

/** A parsed condition. `names` is what a selector selects, in the order of the document. */
export type Condition =
  | { readonly kind: "and"; readonly children: readonly Condition[] }
  | { readonly kind: "or"; readonly children: readonly Condition[] }
  | { readonly kind: "not"; readonly child: Condition }
  | { readonly kind: "selection"; readonly name: string }
  | {
    readonly kind: "quantified";
    /** `all`, or how many of `names` must hold at least. */
    readonly need: "all" | number;
    readonly pattern: string;
    readonly names: readonly string[];
  };

/** A filter bound to a rule: the rule fires only where one of `conditions` holds as well. */
export interface BoundFilter {
  readonly title: string;
  readonly id?: string;
  readonly selections: readonly Selection[];
  readonly conditions: readonly Condition[];
}

export interface DetectionRule extends RuleMetadata {
  readonly kind: "detection";
  readonly logsource: Logsource;
  readonly selections: readonly Selection[];
  /** One of them must hold; the first that does gives the details. */
  readonly conditions: readonly Condition[];
  readonly filters: readonly BoundFilter[];
}

export interface FilterRule extends RuleMetadata {
  readonly kind: "filter";
  readonly logsource?: Logsource;
  /** Ids, names or titles; empty means every rule. */
  readonly targets: readonly string[];
  readonly selections: readonly Selection[];
  readonly conditions: readonly Condition[];
}

export type CorrelationType =
  | "event_count"
  | "value_count"
  | "temporal"
  | "temporal_ordered"
  | "value_sum"
  | "value_avg"
  | "value_percentile"
  | "value_median";

export interface CorrelationCondition {
  readonly bounds: readonly {
    readonly operator: "lt" | "lte" | "gt" | "gte" | "eq" | "neq";
    readonly value: number;
  }[];
  readonly fields: readonly string[];
  readonly percentile?: number;
  /** Nothing was written: a temporal correlation then needs all the rules it names. */
  readonly implied?: boolean;
}

export interface CorrelationRule extends RuleMetadata {
  readonly kind: "correlation";
  readonly type: CorrelationType;
  readonly rules: readonly string[];
  readonly groupBy: readonly string[];
  readonly timespanSeconds: number;
  readonly window: "sliding" | "tumbling" | "session";
  readonly gapSeconds?: number;
  readonly condition: CorrelationCondition | { readonly expression: Condition };
  readonly aliases: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly generate: boolean;
  /** Filters that name this correlation: they hold for its base rules, within it alone. */
  readonly filters?: readonly BoundFilter[];
}

/** A problem found while reading rules: an error keeps its document from loading. */
export interface RuleProblem {
  readonly severity: "error" | "warning" | "info";
  /** Stable `snake_case` name. */
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly document?: number;
  readonly line?: number;
  readonly column?: number;
  readonly ruleId?: string;
  readonly ruleTitle?: string;
  readonly field?: string;
}

/** Everything read from one or more rule files. */
export interface RuleCollection {
  readonly rules: readonly DetectionRule[];
  readonly correlations: readonly CorrelationRule[];
  readonly filters: readonly FilterRule[];
  readonly problems: readonly RuleProblem[];
}
