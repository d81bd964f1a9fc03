/**
 * A checked Sigma rule: what the front end hands to the engine.
 *
 * Every modifier has been resolved here. An item holds patterns that say what must be true of a
 * value; which modifiers were written, in which order, no longer matters. Everything is plain data
 * that survives `JSON.stringify`, because a rule bundle is exactly that.
 */
import type { Value } from "../event/value.ts";

/** How serious a match is, in ascending order. */
export type Level = "informational" | "low" | "medium" | "high" | "critical";
export const LEVELS: readonly Level[] = ["informational", "low", "medium", "high", "critical"];

/** How mature a rule is. */
export type Status = "stable" | "test" | "experimental" | "deprecated" | "unsupported";
/** How a rule stands to another. */
export type RelatedType =
  | "correlation"
  | "derived"
  | "obsolete"
  | "merged"
  | "renamed"
  | "similar";

/** A place in a rule file, both counted from 1. */
export interface Position {
  /** Of the file. */
  readonly line: number;
  /** Of the line. */
  readonly column: number;
}

/** Where a rule was read. `document` counts the file's YAML documents from 0. */
export interface RuleOrigin {
  /** Of the file. */
  readonly path: string;
  /** From 0. */
  readonly document: number;
  /** Where the document begins, from 1. */
  readonly line: number;
}

/** What kind of events a rule is for; an absent dimension is any. */
export interface Logsource {
  /** `process_creation`, … */
  readonly category?: string;
  /** `windows`, `linux`, … */
  readonly product?: string;
  /** `security`, `sshd`, … */
  readonly service?: string;
  /** What must be configured for such events; for people. */
  readonly definition?: string;
  /** Any other key with a text value. */
  readonly custom: Readonly<Record<string, string>>;
}

/** What rules of every kind have. */
export interface RuleMetadata {
  /** Never empty. */
  readonly title: string;
  /** Usually a UUID. */
  readonly id?: string;
  /** What correlations may call the rule. */
  readonly name?: string;
  /** Whose field names the rule uses. */
  readonly taxonomy?: string;
  /** How mature it is. */
  readonly status?: Status;
  /** For people. */
  readonly description?: string;
  /** Of the rule. */
  readonly license?: string;
  /** As written. */
  readonly author?: string;
  /** As written. */
  readonly date?: string;
  /** As written. */
  readonly modified?: string;
  /** How serious a match is. */
  readonly level?: Level;
  /** Rules that this one stands in a relation to. */
  readonly related: readonly { readonly id: string; readonly type: RelatedType }[];
  /** Where to read more. */
  readonly references: readonly string[];
  /** Fields that are worth a look in a match. */
  readonly fields: readonly string[];
  /** What else it matches. */
  readonly falsepositives: readonly string[];
  /** As written: `attack.execution`. */
  readonly tags: readonly string[];
  /** Where the rule belongs. */
  readonly scope: readonly string[];
  /** The major of `sigma-version`; 2 when the document names none. */
  readonly sigmaVersion: number;
  /** Copied into results; keys in the order of the document. */
  readonly customAttributes: Readonly<Record<string, Value>>;
  /** Where it was read. */
  readonly origin: RuleOrigin;
}

/** A piece of a string pattern. `dash` is any of `-` `/` U+2013 U+2014 U+2015 (`windash`). */
export type StringToken =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "any" }
  | { readonly kind: "one" }
  | { readonly kind: "dash" };

/** How a text is compared with a pattern. */
export type StringOperator = "equals" | "contains" | "startswith" | "endswith";
/** How a number is compared. */
export type CompareOperator = "gt" | "gte" | "lt" | "lte";
/** A part of an instant, in UTC. */
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
  /** Without it, the item is of keywords. */
  readonly field?: string;
  /** What must hold of the field. */
  readonly patterns: readonly Pattern[];
  /** `all`: each pattern must hold; otherwise one of them. */
  readonly all: boolean;
  /** `neq`: the item holds if the field is present and its patterns, taken together, do not hold. */
  readonly negated: boolean;
  /** As written, for explanations: `Image|endswith`. */
  readonly key: string;
  /** In the rule's file. */
  readonly position: Position;
}

/** How many members of an array must fulfil a block. */
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

/** A named part of a detection. */
export interface Selection {
  /** What conditions call it. */
  readonly name: string;
  /** What it means. */
  readonly detection: Detection;
  /** In the rule's file. */
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
  /** Of the filter. */
  readonly title: string;
  /** Of the filter. */
  readonly id?: string;
  /** What its conditions are about. */
  readonly selections: readonly Selection[];
  /** One of them must hold. */
  readonly conditions: readonly Condition[];
}

/** A rule about single events. */
export interface DetectionRule extends RuleMetadata {
  /** Tells kinds of rules apart. */
  readonly kind: "detection";
  /** The events it is for. */
  readonly logsource: Logsource;
  /** What its conditions are about. */
  readonly selections: readonly Selection[];
  /** One of them must hold; the first that does gives the details. */
  readonly conditions: readonly Condition[];
  /** Bound when files are joined; see `assembleRules`. */
  readonly filters: readonly BoundFilter[];
}

/** A rule that narrows other rules. */
export interface FilterRule extends RuleMetadata {
  /** Tells kinds of rules apart. */
  readonly kind: "filter";
  /** Only rules of this logsource. */
  readonly logsource?: Logsource;
  /** Ids, names or titles; empty means every rule. */
  readonly targets: readonly string[];
  /** What its conditions are about. */
  readonly selections: readonly Selection[];
  /** One of them must hold for a rule to fire. */
  readonly conditions: readonly Condition[];
}

/** What is counted or calculated over the events of a group. */
export type CorrelationType =
  | "event_count"
  | "value_count"
  | "temporal"
  | "temporal_ordered"
  | "value_sum"
  | "value_avg"
  | "value_percentile"
  | "value_median";

/** When a correlation fires. */
export interface CorrelationCondition {
  /** All of them must hold. */
  readonly bounds: readonly {
    readonly operator: "lt" | "lte" | "gt" | "gte" | "eq" | "neq";
    readonly value: number;
  }[];
  /** The fields whose values are counted or calculated with. */
  readonly fields: readonly string[];
  /** From 0 to 100, for `value_percentile`. */
  readonly percentile?: number;
  /** Nothing was written: a temporal correlation then needs all the rules it names. */
  readonly implied?: boolean;
}

/** A rule about several events. Read and checked, not evaluated yet. */
export interface CorrelationRule extends RuleMetadata {
  /** Tells kinds of rules apart. */
  readonly kind: "correlation";
  /** What is counted or calculated. */
  readonly type: CorrelationType;
  /** Ids or names of the rules whose results it takes. */
  readonly rules: readonly string[];
  /** Fields whose values make a group. */
  readonly groupBy: readonly string[];
  /** How long a window is. */
  readonly timespanSeconds: number;
  /** How windows follow one another. */
  readonly window: "sliding" | "tumbling" | "session";
  /** The longest pause within a session. */
  readonly gapSeconds?: number;
  /** When it fires. */
  readonly condition: CorrelationCondition | { readonly expression: Condition };
  /** By alias and rule: the field that stands for it. */
  readonly aliases: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Whether the rules it is made of raise alerts as well. */
  readonly generate: boolean;
  /** Filters that name this correlation: they hold for its base rules, within it alone. */
  readonly filters?: readonly BoundFilter[];
}

/** A problem found while reading rules: an error keeps its document from loading. */
export interface RuleProblem {
  /** An `error` keeps its document out of service. */
  readonly severity: "error" | "warning" | "info";
  /** Stable `snake_case` name. */
  readonly code: string;
  /** For people: what is wrong, and what to do. */
  readonly message: string;
  /** The file. */
  readonly path: string;
  /** From 0. */
  readonly document?: number;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** The rule, if it got that far. */
  readonly ruleId?: string;
  /** The same. */
  readonly ruleTitle?: string;
  /** The key or field it is about. */
  readonly field?: string;
}

/** Everything read from one or more rule files. */
export interface RuleCollection {
  /** Detection rules in the order of the files. */
  readonly rules: readonly DetectionRule[];
  /** Correlation rules whose references hold. */
  readonly correlations: readonly CorrelationRule[];
  /** Filter rules, bound already to the rules they are for. */
  readonly filters: readonly FilterRule[];
  /** Everything that is wrong, in the order of the files. */
  readonly problems: readonly RuleProblem[];
}
