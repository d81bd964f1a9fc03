/**
 * Hits in each output format.
 */
import { parseJsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { fit, LEVEL_STYLES, pad, type Paint, safeText } from "./text.ts";

export type OutputFormat = "table" | "json" | "ndjson" | "csv";
export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "json", "ndjson", "csv"];

/** A result as it comes out of a scan or an evaluation. */
interface ParsedHit {
  readonly rule_title: string;
  readonly rule_id: string | null;
  readonly level: string | null;
  readonly tags: readonly string[];
  readonly matched_selections: readonly string[];
  readonly matched_fields: readonly { readonly field: string; readonly value: Value }[];
  readonly source?: {
    readonly path: string;
    readonly record_id: number | bigint | null;
    readonly channel: string | null;
    readonly computer: string | null;
    readonly timestamp: string | null;
  };
}

/** Turns hits, each one line of JSON, into text; the caller writes what it gets. */
export interface HitRenderer {
  /** Before the first hit. */
  readonly header: string;
  render(json: string): string;
}

export interface RenderOptions {
  readonly columns: number;
  readonly paint: Paint;
  /** Indents JSON. */
  readonly pretty: boolean;
}

export function hitRenderer(format: OutputFormat, options: RenderOptions): HitRenderer {
  switch (format) {
    case "ndjson":
      return { header: "", render: (json) => `${json}\n` };
    case "json":
      return {
        header: "",
        render: (json) => options.pretty ? `${prettyJsonText(parseJsonText(json))}\n` : `${json}\n`,
      };
    case "csv":
      return { header: `${CSV_COLUMNS.join(",")}\n`, render: (json) => csvLine(parse(json)) };
    case "table":
      return tableRenderer(options);
  }
}

function parse(json: string): ParsedHit {
  return parseJsonText(json) as unknown as ParsedHit;
}

const CSV_COLUMNS = [
  "timestamp",
  "level",
  "rule_title",
  "rule_id",
  "computer",
  "channel",
  "record_id",
  "path",
  "tags",
  "matched_selections",
  "details",
];

function csvLine(hit: ParsedHit): string {
  const { source } = hit;
  const cells = [
    source?.timestamp ?? "",
    hit.level ?? "",
    hit.rule_title,
    hit.rule_id ?? "",
    source?.computer ?? "",
    source?.channel ?? "",
    String(source?.record_id ?? ""),
    source?.path ?? "",
    hit.tags.join(" "),
    hit.matched_selections.join(" "),
    details(hit),
  ];
  return `${cells.map(csvCell).join(",")}\n`;
}

/** RFC 4180. */
function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** `field=value` of everything that took part. */
function details(hit: ParsedHit): string {
  return hit.matched_fields.map(({ field, value }) => `${field}=${valueText(value)}`).join(", ");
}

function valueText(value: Value): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return (value as readonly Value[]).map(valueText).join(" | ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

const TIME_WIDTH = 23;
const LEVEL_WIDTH = 8;
const MIN_COLUMNS = 80;

/** One line a hit, cut to the terminal; the widths do not depend on the hits, so it streams. */
function tableRenderer({ columns, paint }: RenderOptions): HitRenderer {
  const free = Math.max(MIN_COLUMNS, columns) - TIME_WIDTH - LEVEL_WIDTH - 10;
  const ruleWidth = Math.min(52, Math.floor(free * 0.4));
  const computerWidth = Math.min(24, Math.floor(free * 0.14));
  const eventWidth = Math.min(26, Math.floor(free * 0.2));
  const detailWidth = free - ruleWidth - computerWidth - eventWidth;
  const cells = [
    pad("TIME (UTC)", TIME_WIDTH),
    pad("LEVEL", LEVEL_WIDTH),
    pad("RULE", ruleWidth),
    pad("COMPUTER", computerWidth),
    pad("RECORD", eventWidth),
    "DETAILS",
  ];
  return {
    header: `${paint(cells.join("  "), "bold")}\n`,
    render: (json) => {
      const hit = parse(json);
      const level = hit.level ?? "none";
      const { source } = hit;
      return [
        pad(tableTime(source?.timestamp ?? null), TIME_WIDTH),
        paint(pad(shortLevel(level), LEVEL_WIDTH), ...LEVEL_STYLES[level] ?? []),
        paint(pad(safeText(hit.rule_title), ruleWidth), "bold"),
        pad(safeText(source?.computer ?? "-"), computerWidth),
        paint(pad(safeText(recordText(source)), eventWidth), "cyan"),
        fit(safeText(details(hit)), detailWidth),
      ].join("  ").trimEnd() + "\n";
    },
  };
}

function shortLevel(level: string): string {
  return level === "informational" ? "info" : level;
}

/** Milliseconds are enough to read; the exact text is in the other formats. */
function tableTime(timestamp: string | null): string {
  if (timestamp === null) return "-";
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(timestamp);
  if (match === null) return timestamp;
  return `${match[1]!} ${match[2]!}${(match[3] ?? ".000").slice(0, 4).padEnd(4, "0")}`;
}

function recordText(source: ParsedHit["source"]): string {
  if (source === undefined) return "-";
  const place = source.channel === null ? lastName(source.path) : shortChannel(source.channel);
  return source.record_id === null ? place : `${place} #${source.record_id}`;
}

function lastName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** `Microsoft-Windows-Sysmon/Operational` → `Sysmon`. */
export function shortChannel(channel: string): string {
  return channel.replace(/^Microsoft-Windows-/i, "").replace(/\/Operational$/i, "");
}
