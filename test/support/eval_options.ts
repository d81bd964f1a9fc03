/**
 * What `picket eval` is given when nothing but its name is typed, for tests that call it directly.
 */
import type { EvalOptions } from "../../cli/commands/eval.ts";

export const EVAL_DEFAULTS: EvalOptions = {
  rules: [],
  embeddedRules: true,
  matchDetail: "off",
  includeEvent: false,
  logsourceRouting: true,
  index: true,
  logsource: {},
  color: "auto",
  quiet: false,
  rule: [],
  pretty: false,
  failOnDetection: false,
  strict: false,
  failOnParseError: false,
  stats: true,
  inputFormat: "auto",
  syslogStripBom: true,
  timestampField: [],
  schemaRouting: false,
  schemaPartitionRules: false,
  observeFields: false,
};
