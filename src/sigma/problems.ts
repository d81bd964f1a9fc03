/**
 * What can be wrong with a rule, and how it is told.
 *
 * Inside the front end a problem is a `RuleError` with an offset; whoever holds the file turns it
 * into a `RuleProblem` with path, line and rule, and goes on with the next item.
 */
import { PicketError } from "../event/errors.ts";
import type { Position, RuleMetadata, RuleProblem } from "./rule.ts";

/** Stable names of everything the front end reports about a document. */
export type ProblemCode =
  | "alias_unresolved"
  | "array_selector"
  | "condition_syntax"
  | "condition_too_deep"
  | "condition_too_long"
  | "correlation_condition"
  | "correlation_cycle"
  | "correlation_rules"
  | "correlation_type"
  | "correlation_window"
  | "duplicate_id"
  | "duplicate_key"
  | "empty_selection"
  | "empty_value_list"
  | "exists_value"
  | "expected_numeric"
  | "file_too_large"
  | "filter_target_unmatched"
  | "incompatible_value"
  | "invalid_action"
  | "invalid_cidr"
  | "invalid_detection"
  | "invalid_key"
  | "invalid_level"
  | "invalid_logsource"
  | "invalid_modifiers"
  | "invalid_regex"
  | "invalid_related"
  | "invalid_sigma_version"
  | "invalid_status"
  | "invalid_timespan"
  | "merge_too_deep"
  | "missing_field"
  | "not_a_mapping"
  | "null_keyword"
  | "repeat_without_previous"
  | "selector_never_true"
  | "selector_selects_nothing"
  | "time_part_range"
  | "too_many_documents"
  | "too_many_values"
  | "unknown_detection_identifier"
  | "unknown_modifier"
  | "unknown_rule_reference"
  | "unresolved_placeholder"
  | "unresolved_source"
  | "unsupported_sigma_version"
  | "value_too_long"
  | "yaml_alias"
  | "yaml_key"
  | "yaml_syntax"
  | "yaml_tag"
  | "yaml_too_deep"
  | "yaml_type";

/** Something in a rule that keeps it from loading, at an offset of its file. */
export class RuleError extends PicketError {
  override readonly name = "RuleError";
  readonly code: ProblemCode;
  readonly at: number;
  readonly field: string | undefined;

  constructor(code: ProblemCode, message: string, at: number, field?: string) {
    super(message);
    this.code = code;
    this.at = at;
    this.field = field;
  }
}

/** Collects the problems of one document. */
export class ProblemLog {
  readonly problems: RuleProblem[] = [];
  /** Named in every problem once it is known. */
  ruleId: string | undefined;
  ruleTitle: string | undefined;
  errors = 0;
  readonly #path: string;
  readonly #document: number;
  readonly #position: (at: number) => Position;

  constructor(path: string, document: number, position: (at: number) => Position) {
    this.#path = path;
    this.#document = document;
    this.#position = position;
  }

  get path(): string {
    return this.#path;
  }

  get document(): number {
    return this.#document;
  }

  position(at: number): Position {
    return this.#position(at);
  }

  error(code: ProblemCode, message: string, at: number, field?: string): void {
    this.errors++;
    this.#add("error", code, message, at, field);
  }

  warn(code: ProblemCode, message: string, at: number, field?: string): void {
    this.#add("warning", code, message, at, field);
  }

  /** Runs `read`, records the `RuleError` it throws, and goes on without its result. */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.error(error.code, error.message, error.at, error.field);
      return undefined;
    }
  }

  #add(
    severity: RuleProblem["severity"],
    code: ProblemCode,
    message: string,
    at: number,
    field: string | undefined,
  ): void {
    this.problems.push({
      severity,
      code,
      message,
      path: this.#path,
      document: this.#document,
      ...this.#position(at),
      ...(this.ruleId === undefined ? {} : { ruleId: this.ruleId }),
      ...(this.ruleTitle === undefined ? {} : { ruleTitle: this.ruleTitle }),
      ...(field === undefined ? {} : { field }),
    });
  }
}

/** A problem with a whole rule, at its first line. */
export function ruleProblem(
  severity: RuleProblem["severity"],
  code: ProblemCode,
  message: string,
  rule: RuleMetadata,
): RuleProblem {
  const { path, document, line } = rule.origin;
  return {
    severity,
    code,
    message,
    path,
    document,
    line,
    column: 1,
    ...(rule.id === undefined ? {} : { ruleId: rule.id }),
    ruleTitle: rule.title,
  };
}
