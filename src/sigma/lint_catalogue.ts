/**
 * The lint rules and how bad each of them is.
 *
 * @see sigma-rules.md, section 25; correlation.md, section 35. The last group is Picket's own.
 */

export type LintSeverity = "error" | "warning" | "info" | "hint";

/** Each rule's default severity. The names are those of the reference, so suppressions carry over. */
export const LINT_SEVERITIES = {
  yaml_parse_error: "error",
  not_a_mapping: "error",
  schema_violation: "error",

  missing_title: "error",
  empty_title: "error",
  title_too_long: "warning",
  name_too_long: "warning",
  taxonomy_too_long: "warning",
  description_too_long: "warning",
  missing_description: "info",
  missing_author: "info",
  invalid_id: "warning",
  invalid_status: "error",
  invalid_level: "error",
  missing_level: "warning",
  invalid_date: "error",
  invalid_modified: "error",
  modified_before_date: "warning",
  non_lowercase_key: "warning",
  unknown_key: "info",

  missing_logsource: "error",
  missing_detection: "error",
  missing_condition: "error",
  empty_detection: "warning",
  condition_references_unknown: "error",
  deprecated_aggregation_syntax: "warning",
  logsource_value_not_lowercase: "warning",
  invalid_tag: "warning",
  unknown_tag_namespace: "warning",
  duplicate_tags: "warning",
  duplicate_references: "warning",
  duplicate_fields: "warning",
  falsepositive_too_short: "warning",
  scope_too_short: "warning",
  null_in_value_list: "warning",
  empty_value_list: "warning",
  wildcard_only_value: "warning",
  flattened_array_correlation: "warning",

  single_value_all_modifier: "warning",
  all_with_re: "warning",
  incompatible_modifiers: "warning",

  invalid_related_id: "warning",
  invalid_related_type: "error",
  related_missing_required: "error",
  deprecated_without_related: "warning",

  missing_correlation: "error",
  missing_correlation_type: "error",
  invalid_correlation_type: "error",
  missing_correlation_rules: "error",
  empty_correlation_rules: "warning",
  missing_correlation_timespan: "error",
  invalid_timespan_format: "error",
  invalid_window_mode: "error",
  missing_session_gap: "error",
  gap_without_session: "error",
  invalid_gap_format: "error",
  missing_correlation_condition: "error",
  missing_condition_field: "error",
  condition_value_not_numeric: "error",
  missing_group_by: "error",
  generate_not_boolean: "error",
  invalid_condition_operator: "error",

  missing_filter: "error",
  missing_filter_logsource: "error",
  missing_filter_rules: "error",
  missing_filter_selection: "error",
  missing_filter_condition: "error",
  filter_has_level: "warning",
  filter_has_status: "warning",

  unsupported_sigma_version: "error",
  array_matching_without_version: "warning",
  sigma_version_mismatch: "warning",
  unknown_rule_reference: "warning",

  ads_missing_goal: "warning",
  ads_missing_categorization: "warning",
  ads_missing_strategy: "warning",
  ads_missing_technical_context: "warning",
  ads_missing_blind_spots: "warning",
  ads_missing_false_positives: "warning",
  ads_missing_validation: "warning",
  ads_missing_response: "warning",
  ads_missing_priority: "info",
  ads_empty_section: "info",
  ads_unknown_section: "info",

  invalid_condition: "error",
  non_lowercase_keyword: "warning",
  modifier_order: "warning",
  utf16_without_base64: "warning",
  unknown_attribute: "warning",
  reference_by_name: "info",
  percentile_out_of_range: "warning",
  threshold_always_holds: "warning",
  repeated_correlation_rule: "warning",
  not_in_temporal_condition: "info",
  unused_alias: "warning",
  alias_of_unknown_rule: "warning",
} as const satisfies Readonly<Record<string, LintSeverity>>;

export type LintRuleId = keyof typeof LINT_SEVERITIES;

/** Whether `name` is a lint rule. */
export function isLintRule(name: string): name is LintRuleId {
  return Object.hasOwn(LINT_SEVERITIES, name);
}
