/**
 * Picket as a library: Sigma rules against Windows event logs and JSON.
 *
 * ```ts
 * import { decodeJson, loadRules, RuleEngine } from "./mod.ts";
 *
 * const { rules, problems } = loadRules(["./rules"]);
 * const engine = new RuleEngine(rules);
 * for (const result of engine.evaluate(decodeJson('{"Image":"C:\\\\mimikatz.exe"}'))) {
 *   console.log(result.rule_title);
 * }
 * ```
 */
export { PicketError } from "./src/event/errors.ts";
export type { LogEvent } from "./src/event/event.ts";
export { type Field, internField } from "./src/event/field.ts";
export { jsonText, parseJsonText } from "./src/event/json_text.ts";
export type { Value, ValueObject } from "./src/event/value.ts";

export { DecodeError, decodeJson, JsonEvent } from "./src/decode/json.ts";
export { EvtxDecoder } from "./src/decode/evtx/decoder.ts";
export { EvtxError, type EvtxProblem } from "./src/decode/evtx/errors.ts";
export type { EvtxEvent } from "./src/decode/evtx/event.ts";
export { EvtxFileReader } from "./src/ingest/evtx_file.ts";

export { assembleRules } from "./src/sigma/assemble.ts";
export { type ParsedFile, type ParseOptions, parseRules } from "./src/sigma/parse.ts";
export type {
  CorrelationRule,
  DetectionRule,
  FilterRule,
  Level,
  RuleCollection,
  RuleProblem,
} from "./src/sigma/rule.ts";

export { BundleError, decodeBundle, encodeBundle } from "./src/engine/bundle.ts";
export { type EngineOptions, RuleEngine } from "./src/engine/engine.ts";
export type { DetectionResult, FieldMatch, MatchDetail } from "./src/engine/result.ts";
export { RegexError } from "./src/engine/regex/errors.ts";
export { type LoadOptions, loadRules } from "./src/runtime/load_rules.ts";
