/**
 * Picket as a library: Sigma rules against log lines and Windows event logs, and everything an agent
 * is made of.
 *
 * Importing this module does nothing else: no file is opened, no timer started, no variable read.
 * What waits takes an `AbortSignal`; failures that are expected extend `PicketError` and have a
 * `code`. `docs/library.md` has an example of everything, each of which runs as a test.
 *
 * ```ts
 * import { LogProcessor } from "picket";
 *
 * const processor = await LogProcessor.open({ rules: "./rules" });
 * const lines = ['{"EventID": 1102, "Channel": "Security"}', '{"EventID": 4624}'];
 * for (const results of processor.processBatchLines(lines)) {
 *   for (const { rule_title } of results) console.log(rule_title);
 * }
 * ```
 *
 * @module
 */

// --- rules and evaluation -----------------------------------------------------------------------

export {
  type LoadStats,
  RuntimeEngine,
  type RuntimeEngineOptions,
} from "./src/runtime/runtime_engine.ts";
export {
  type BatchOptions,
  type BatchResult,
  BatchRun,
  type BatchVisitor,
  LogProcessor,
  type ParseFailure,
} from "./src/runtime/log_processor.ts";
export { type InputFailure, type InputOptions, visitEvents } from "./src/runtime/input_events.ts";
export {
  type CompiledRuleSet,
  compileRuleSet,
  openRuleSet,
  type RuleChoice,
  type RuleSetCompiler,
  type RuleSetRequest,
  type RuleSummary,
} from "./src/runtime/rule_set.ts";
export { type LoadOptions, loadRules } from "./src/runtime/load_rules.ts";
export { type EngineOptions, type EventEvaluator, RuleEngine } from "./src/engine/engine.ts";
export type { LogsourceFields, LogsourceTally, StaticLogsource } from "./src/engine/logsource.ts";
export type { DetectionResult, FieldMatch, MatchDetail, MatcherName } from "./src/engine/result.ts";
export { decodeBundle, encodeBundle } from "./src/engine/bundle.ts";
export type { StoreContent } from "./src/engine/rule_store.ts";
export { type AssembleOptions, assembleRules } from "./src/sigma/assemble.ts";
export { type ParsedFile, type ParseOptions, parseRules } from "./src/sigma/parse.ts";
export type { RuleLimits } from "./src/sigma/limits.ts";
export type { Placeholders, PlaceholderValue } from "./src/sigma/placeholders.ts";
export type {
  ArrayBody,
  ArrayQuantifier,
  BoundFilter,
  CompareOperator,
  Condition,
  CorrelationCondition,
  CorrelationRule,
  CorrelationType,
  Detection,
  DetectionRule,
  FilterRule,
  Item,
  Level,
  Logsource,
  Pattern,
  Position,
  RelatedType,
  RuleCollection,
  RuleMetadata,
  RuleOrigin,
  RuleProblem,
  Selection,
  Status,
  StringOperator,
  StringToken,
  TemplatePart,
  TimePart,
} from "./src/sigma/rule.ts";

// --- events ---------------------------------------------------------------------------------------

export type { ImpliedLogsource, LogEvent } from "./src/event/event.ts";
export { parseTimestamp, type TimestampOptions } from "./src/event/timestamp.ts";
export { parseTimeZone, type TimeZone, TimeZoneError } from "./src/event/zone.ts";
export { type Field, internField, type PathSegment } from "./src/event/field.ts";
export { jsonText, parseJsonText } from "./src/event/json_text.ts";
export type { TextGate } from "./src/event/text_gate.ts";
export type { Value, ValueObject } from "./src/event/value.ts";
export {
  LINE_FORMATS,
  type LineFormat,
  type LineOptions,
  parseLine,
} from "./src/decode/parse_line.ts";
export { AuditJoiner, type OnAuditEvent } from "./src/decode/auditd/join.ts";
export { decodeOtlpJson } from "./src/decode/otlp/json.ts";
export { decodeOtlpProtobuf } from "./src/decode/otlp/protobuf.ts";
export type { OtlpOptions, OtlpRecord, OtlpRequest } from "./src/decode/otlp/records.ts";
export { compileFilter } from "./src/decode/filter/compile.ts";
export type { EventFilter, FilterFailed, FilterSettings } from "./src/decode/filter/types.ts";
export type { SyslogOptions } from "./src/decode/syslog.ts";
export { FlatEvent, PlainEvent } from "./src/decode/flat_event.ts";
export { decodeJson, JsonEvent } from "./src/decode/json.ts";
export { type DecoderCounters, EvtxDecoder } from "./src/decode/evtx/decoder.ts";
export type { DecodeOptions as EvtxDecodeOptions } from "./src/decode/evtx/decode_chunk.ts";
export {
  EVTX_PROBLEM_REASONS,
  type EvtxProblem,
  type EvtxProblemReason,
} from "./src/decode/evtx/errors.ts";
export type { EvtxEvent } from "./src/decode/evtx/event.ts";
export type { FileHeader as EvtxFileHeader } from "./src/decode/evtx/file_header.ts";
export {
  EvtxFileReader,
  type EvtxScanOptions,
  type OnEvent,
  type OnProblem,
} from "./src/ingest/evtx_file.ts";

// --- sources --------------------------------------------------------------------------------------

export type {
  EventBatch,
  EventSource,
  RawEvent,
  Sink,
  SourceHealth,
  SourceNotice,
} from "./src/runtime/plugin.ts";
export {
  type SourceFailure,
  SourceQueue,
  type SpawnOptions,
  spawnSource,
} from "./src/runtime/spawn_source.ts";
export {
  type InputStream,
  type StdinOptions,
  type StdinSource,
  stdinSource,
} from "./src/ingest/stdin.ts";
export { fileSource } from "./src/ingest/tail/file_source.ts";
export type { FileProblem, FileSourceOptions } from "./src/ingest/tail/following.ts";
export { evtxSource } from "./src/ingest/evtx/source.ts";
export {
  type HttpIngestSource,
  httpSource,
  type HttpSourceOptions,
  type PushResult,
} from "./src/ingest/http.ts";
export { journaldSource } from "./src/ingest/journald.ts";
export { unixSource, type UnixSourceOptions } from "./src/ingest/unix.ts";
export { natsSource, type NatsSourceContext } from "./src/ingest/nats_source.ts";
export {
  type OtlpEncoding,
  type OtlpOutcome,
  type OtlpReceiver,
  type OtlpSource,
  otlpSource,
  type OtlpSourceOptions,
} from "./src/ingest/otlp.ts";
/** What `natsSource` gives. */
export type { EventSource as NatsSource } from "./src/runtime/plugin.ts";

// --- sinks ----------------------------------------------------------------------------------------

export { StdoutSink } from "./src/deliver/stdout_sink.ts";
export { FileSink } from "./src/deliver/file_sink.ts";
export { UnixSink } from "./src/deliver/unix_sink.ts";
export {
  type NatsSink,
  natsSink,
  type NatsSinkContext,
  type NatsSinkCounts,
} from "./src/deliver/nats_sink.ts";
export type { OtlpOrigin } from "./src/deliver/otlp/encode.ts";
export { otlpSink, type OtlpSinkContext } from "./src/deliver/otlp/sink.ts";
export { httpSink, type HttpSinkContext, type WebhookSettings } from "./src/deliver/http/sink.ts";
/** What `httpSink` gives. */
export type { Sink as HttpSink } from "./src/runtime/plugin.ts";
export type { TemplateScope } from "./src/deliver/nats/template.ts";
export {
  NatsConnections,
  type NatsLease,
  NatsLink,
  type NatsLinkOptions,
  type NatsState,
  type NatsStatus,
} from "./src/runtime/nats/connection.ts";
export type { Resolver } from "./src/runtime/http/connect.ts";
export type { Scope, Scoped } from "./src/runtime/scope.ts";
export type { Lookup } from "./src/runtime/template.ts";

// --- alerts, the state file and delivery ----------------------------------------------------------

export {
  type Alert,
  alertId,
  type AlertIdentity,
  type AlertKind,
  type NewAlert,
  titleKey,
} from "./src/runtime/alert.ts";
export {
  type AgentIdentity,
  AlertBuilder,
  type SourceIdentity,
} from "./src/agent/alert_builder.ts";
export { openState, type StateOptions } from "./src/store/open_state.ts";
export { StateStore } from "./src/store/state_store.ts";
export type { StateStats } from "./src/store/state_parts.ts";
export type { SinkInfo } from "./src/store/sink_table.ts";
export type { Recovery } from "./src/store/open_file.ts";
export type { RecentQuery } from "./src/store/alert_table.ts";
export type { DeadLetterQuery } from "./src/store/dead_letter_table.ts";
export type { AuditEntry, AuditPage, AuditQuery, NewAuditEntry } from "./src/store/notebook.ts";
export type { MachineFingerprint } from "./src/store/identity.ts";
export {
  Operator,
  type OutboxQuery,
  type OutboxRow,
  type QueuePlace,
  type ReplayResult,
  type StoredAlert,
} from "./src/store/operator.ts";
export type { Clock } from "./src/deliver/clock.ts";
export { SinkDrain, startDrain } from "./src/deliver/drain.ts";
export type { DrainOptions, DrainState, DrainStatus } from "./src/deliver/drain_status.ts";
export type {
  Commit,
  CommitResult,
  DeadLetter,
  DeadLetterStage,
  NewDeadLetter,
  Outbox,
  PendingAlert,
  Settlement,
  SinkBacklog,
  SinkFilter,
  SinkRegistration,
} from "./src/runtime/outbox.ts";

// --- settings and metrics -------------------------------------------------------------------------

export type {
  EgressSettings,
  EvtxSourceSettings,
  FileSinkSettings,
  FileSourceSettings,
  HttpSigning,
  HttpSinkSettings,
  HttpSourceSettings,
  JournaldSourceSettings,
  Multiline,
  NatsAuth,
  NatsReplay,
  NatsSettings,
  NatsSinkSettings,
  NatsSourceSettings,
  OtlpSinkSettings,
  OtlpSourceSettings,
  OutboxSettings,
  Secret,
  SinkCommon,
  SinkSettings,
  SourceCommon,
  SourceSettings,
  StdinSourceSettings,
  StdoutSinkSettings,
  TlsSettings,
  UnixSinkSettings,
  UnixSourceSettings,
} from "./src/runtime/settings.ts";
export { type BatchPhase, type MetricsHook, noopMetrics } from "./src/runtime/metrics.ts";

// --- the whole agent ------------------------------------------------------------------------------

export {
  embedAgent as startAgent,
  type EmbeddedAgent,
  type EmbedOptions,
  type ReadConfig,
  readConfig as loadConfig,
  type ReloadedPart,
} from "./src/agent/embed.ts";
export type { LoadConfigOptions } from "./src/agent/config/load.ts";
export type {
  AgentConfig,
  ApiAddress,
  ApiAuthConfig,
  ApiConfig,
  ApiTokenConfig,
  LogConfig,
  LogLevel,
  RulesConfig,
} from "./src/agent/config/types.ts";
export { ConfigError, type ConfigProblem } from "./src/agent/config/problems.ts";
export type { ConfigValue, KeyPath, Origin } from "./src/agent/config/tree.ts";
export type { Surroundings } from "./src/agent/config/discover.ts";
export type { Environment } from "./src/agent/config/secret.ts";

// --- schemas ---------------------------------------------------------------------------------------

export {
  type Classification,
  type ClassificationDetail,
  SchemaClassifier,
} from "./src/schema/classifier.ts";
export { parseSchemaConfig, type SchemaConfig } from "./src/schema/config.ts";
export { type FieldCounts, FieldObserver } from "./src/schema/field_observer.ts";
export { type SchemaCounts, SchemaObserver } from "./src/schema/observer.ts";
export {
  readSchemaFile,
  schemaConfig,
  type SchemaFile,
  type SchemaRoutingSettings,
} from "./src/runtime/schema_routing.ts";

// --- failures -------------------------------------------------------------------------------------

export { PicketError } from "./src/event/errors.ts";
export {
  DeliveryError,
  type DeliveryFailure,
  RuntimeError,
  SourceError,
  StateError,
} from "./src/runtime/errors.ts";
export { DecodeError } from "./src/decode/errors.ts";
export { FilterError } from "./src/decode/filter/errors.ts";
export { OtlpError } from "./src/decode/otlp/errors.ts";
export { SchemaError } from "./src/schema/errors.ts";
export { EvtxError } from "./src/decode/evtx/errors.ts";
export { BundleError } from "./src/engine/bundle.ts";
export { HttpError, type HttpFailure } from "./src/runtime/http/errors.ts";
export { RegexError } from "./src/engine/regex/errors.ts";
