/**
 * What the parts of a scan tell each other. Everything here crosses a thread boundary.
 */
import type { SharedRules } from "../../src/engine/rule_store.ts";
import type { MatchDetail } from "../../src/engine/result.ts";
import type { LogsourceFields, StaticLogsource } from "../../src/engine/logsource.ts";
import type { RoutingTally } from "../../src/engine/schema_router.ts";
import type { Packing } from "../../src/ingest/tail/rotated.ts";
import type { SchemaRoutingSettings } from "../../src/runtime/schema_routing.ts";
import type { FieldCounts } from "../../src/schema/field_observer.ts";
import type { Level } from "../../src/sigma/rule.ts";
import type { InputSettings } from "../commands/input_options.ts";
import type { TextForm } from "../text_form.ts";
import type { TextProblemReason } from "../text_reader.ts";

/** One file of the input. */
export interface InputFile {
  /** As the user named it or as found below a directory. `-` is stdin. */
  readonly path: string;
  /** What a `stream` holds, stdin or a pipe, shows when it is read. */
  readonly kind: "evtx" | "text" | "stream";
  /** Of `text`. */
  readonly form?: TextForm;
  readonly packing?: Packing;
  /** Bytes in front of its text that are nothing but NULs. */
  readonly hole?: number;
  /** In bytes on disk; 0 if unknown. */
  readonly size: number;
  /** Unix milliseconds: lines without a year are from the year before that. */
  readonly modifiedMs?: number;
}

/** A part of a file that one worker reads: bytes `[from, to)` that begin after a line end. */
export interface ScanUnit {
  readonly number: number;
  readonly file: InputFile;
  readonly fileNumber: number;
  readonly from: number;
  readonly to: number;
}

/** How events are evaluated and what is written of them. */
export interface ScanSettings {
  readonly matchDetail: MatchDetail;
  readonly includeEvent: boolean;
  readonly logsourceRouting: boolean;
  readonly index: boolean;
  readonly logsource: StaticLogsource;
  readonly logsourceFields?: LogsourceFields;
  readonly schema?: SchemaRoutingSettings;
  /** Distinct fields to count; absent: they are not counted. */
  readonly observeMaxKeys?: number;
  /** Milliseconds since 1970; events outside are not evaluated. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly minLevel: Level | undefined;
  readonly onlyRules: readonly string[];
  readonly input: InputSettings;
}

/** Where the rules come from. */
export interface RuleSources {
  readonly paths: readonly string[];
  readonly embedded: boolean;
  readonly bundleKey?: string;
}

/** A match, ready to be written. */
export interface Hit {
  /** Milliseconds since 1970; `Infinity` for an event without a time. */
  readonly time: number;
  readonly file: number;
  /** Record id, or offset of the line: ascending within a file. */
  readonly position: number;
  readonly rule: number;
  readonly unit: number;
  /** The line's number within its unit, from 1; 0 where the record id is known. */
  readonly line: number;
  /** The result's JSON up to and from its record id. */
  readonly head: string;
  readonly tail: string;
}

/** A kind of problem met in the data, with the first few places. */
export interface ErrorGroup {
  readonly reason: string;
  count: number;
  readonly samples: { readonly path: string; readonly at: string; readonly message: string }[];
}

/** What was counted in one unit, or in all of them. */
export interface ScanCounts {
  bytes: number;
  events: number;
  eventsEvaluated: number;
  eventsWithHits: number;
  matches: number;
  firstTime: number;
  lastTime: number;
  /** By rule number. */
  readonly byRule: Map<number, number>;
  readonly byComputer: Map<string, number>;
  readonly errors: Map<string, ErrorGroup>;
  /** Events by the format they were decoded from. */
  readonly byFormat: Map<string, number>;
  /** Lines and values that are no events. */
  unparseable: number;
  /** Matches in lines whose product nobody tells: rules for every one were tried. */
  unplacedMatches: number;
  /** What became of events of no schema. */
  readonly routing: RoutingTally;
}

export type ToWorker =
  | { readonly type: "start"; readonly rules: SharedRules; readonly settings: ScanSettings }
  | { readonly type: "unit"; readonly unit: ScanUnit }
  /** Breaks the unit that is being scanned off. */
  | { readonly type: "stop" }
  | { readonly type: "finish" };

export type FromWorker =
  | { readonly type: "ready" }
  | {
    readonly type: "progress";
    readonly bytes: number;
    readonly events: number;
    readonly byLevel: Readonly<Record<string, number>>;
  }
  | { readonly type: "done"; readonly unit: number; readonly lines: number }
  | {
    readonly type: "finished";
    readonly counts: ScanCounts;
    readonly hits: readonly Hit[];
    readonly runs: readonly string[];
    readonly applied: readonly boolean[];
    /** Of `observeMaxKeys`. */
    readonly fields?: FieldCounts;
  }
  /** `output`: a temporary file could not be written. */
  | { readonly type: "failed"; readonly message: string; readonly output: boolean };

export function emptyCounts(): ScanCounts {
  return {
    bytes: 0,
    events: 0,
    eventsEvaluated: 0,
    eventsWithHits: 0,
    matches: 0,
    firstTime: Infinity,
    lastTime: -Infinity,
    byRule: new Map(),
    byComputer: new Map(),
    errors: new Map(),
    byFormat: new Map(),
    unparseable: 0,
    unplacedMatches: 0,
    routing: { unknown: 0, dropped: 0, errors: 0 },
  };
}

/** How many places of one kind of problem are kept. */
const MAX_SAMPLES = 5;
/** Distinct computers that are counted; a hostile log must not fill memory with names. */
const MAX_COMPUTERS = 10_000;

/** Notes a problem of the data. */
export function countError(
  counts: ScanCounts,
  reason: string,
  path: string,
  at: string,
  message: string,
  times = 1,
): void {
  let group = counts.errors.get(reason);
  if (group === undefined) counts.errors.set(reason, group = { reason, count: 0, samples: [] });
  group.count += times;
  if (group.samples.length < MAX_SAMPLES) group.samples.push({ path, at, message });
}

/** What problems with records are called; others by their own names. */
const RECORD_PROBLEMS: Readonly<Record<string, string>> = {
  decode_json: "not a JSON event",
  decode_too_long: "too long to decode",
  decode_cef_header: "not a CEF event",
  decode_cef_version: "not a CEF version",
  decode_leef_header: "not a LEEF event",
  decode_leef_version: "not a LEEF version",
  decode_auditd: "not an audit record",
  filter: "filter failed",
};

/** Notes something that is not an event. */
export function countUnparseable(
  counts: ScanCounts,
  problem: TextProblemReason,
  path: string,
  at: string,
  message: string,
): void {
  counts.unparseable++;
  switch (problem.kind) {
    case "record": {
      const { reason } = problem;
      countError(counts, RECORD_PROBLEMS[reason] ?? reason, path, at, message);
      break;
    }
    case "json":
      countError(counts, "not JSON", path, at, message);
      break;
    case "too_long":
      countError(counts, "line too long", path, at, message);
      break;
  }
}

/** Adds one to a format's events. */
export function countFormat(counts: ScanCounts, format: string): void {
  counts.byFormat.set(format, (counts.byFormat.get(format) ?? 0) + 1);
}

/** Adds one to a computer's hits. */
export function countComputer(counts: ScanCounts, computer: string, hits = 1): void {
  const known = counts.byComputer.get(computer);
  if (known === undefined && counts.byComputer.size >= MAX_COMPUTERS) return;
  counts.byComputer.set(computer, (known ?? 0) + hits);
}

/** Adds `other` to `total`. */
export function addCounts(total: ScanCounts, other: ScanCounts): void {
  total.bytes += other.bytes;
  total.events += other.events;
  total.eventsEvaluated += other.eventsEvaluated;
  total.eventsWithHits += other.eventsWithHits;
  total.matches += other.matches;
  total.firstTime = Math.min(total.firstTime, other.firstTime);
  total.lastTime = Math.max(total.lastTime, other.lastTime);
  for (const [rule, hits] of other.byRule) {
    total.byRule.set(rule, (total.byRule.get(rule) ?? 0) + hits);
  }
  for (const [computer, hits] of other.byComputer) countComputer(total, computer, hits);
  for (const [format, events] of other.byFormat) {
    total.byFormat.set(format, (total.byFormat.get(format) ?? 0) + events);
  }
  total.unparseable += other.unparseable;
  total.unplacedMatches += other.unplacedMatches;
  total.routing.unknown += other.routing.unknown;
  total.routing.dropped += other.routing.dropped;
  total.routing.errors += other.routing.errors;
  for (const [reason, group] of other.errors) {
    const own = total.errors.get(reason);
    if (own === undefined) {
      total.errors.set(reason, { ...group, samples: [...group.samples] });
      continue;
    }
    own.count += group.count;
    own.samples.push(...group.samples.slice(0, MAX_SAMPLES - own.samples.length));
  }
}
