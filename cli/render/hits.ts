/**
 * Hits in each output format.
 */
import { parseJsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { csvLine } from "./csv.ts";
import { fit, LEVEL_STYLES, pad, type Paint, safeText, textWidth } from "./text.ts";

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
    /** Of a line; of JSON only where a rule looked for words. */
    readonly message?: string;
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
      return { header: csvLine(CSV_COLUMNS), render: (json) => hitLine(parse(json)) };
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

function hitLine(hit: ParsedHit): string {
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
  return csvLine(cells);
}

/** `field=value` of everything that took part; of a line where only its text did, that text. */
function details(hit: ParsedHit): string {
  const { source } = hit;
  if (hit.matched_fields.length === 0 && source?.message !== undefined) {
    return source.channel === null ? source.message : `${source.channel}: ${source.message}`;
  }
  return hit.matched_fields.map(({ field, value }) => `${field}=${valueText(value)}`).join(", ");
}

function valueText(value: Value): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return (value as readonly Value[]).map(valueText).join(" | ");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

const LEVEL_WIDTH = 8;
const MIN_COLUMNS = 60;
/** On a narrower terminal, details would be cut to nothing and rule titles to half. */
const COLUMNS_FOR_DETAILS = 132;

interface Column {
  readonly name: string;
  readonly width: number;
  cell(hit: ParsedHit, width: number): string;
}

/** One line a hit, cut to the terminal; the widths do not depend on the hits, so it streams. */
function tableRenderer({ columns, paint }: RenderOptions): HitRenderer {
  const layout = tableColumns(Math.max(MIN_COLUMNS, columns), paint);
  const header = layout.map(({ name, width }) => pad(name, width)).join("  ").trimEnd();
  return {
    header: `${paint(header, "bold")}\n`,
    render: (json) => {
      const hit = parse(json);
      return `${layout.map((column) => column.cell(hit, column.width)).join("  ").trimEnd()}\n`;
    },
  };
}

function tableColumns(columns: number, paint: Paint): readonly Column[] {
  const wide = columns >= COLUMNS_FOR_DETAILS;
  const timeWidth = wide ? 23 : 19;
  // One column stays free: some terminals wrap a line that fills them.
  const free = columns - 1 - timeWidth - LEVEL_WIDTH - 2 * (wide ? 5 : 4);
  const computerWidth = Math.min(wide ? 20 : 16, Math.floor(free * 0.2));
  const recordWidth = Math.min(wide ? 24 : 22, Math.floor(free * 0.25));
  const rest = free - computerWidth - recordWidth;
  const ruleWidth = wide ? Math.min(60, Math.floor(rest * 0.55)) : rest;
  const all: Column[] = [
    {
      name: "TIME (UTC)",
      width: timeWidth,
      cell: ({ source }, width) => pad(tableTime(source?.timestamp ?? null, width), width),
    },
    {
      name: "LEVEL",
      width: LEVEL_WIDTH,
      cell: ({ level }, width) =>
        paint(pad(shortLevel(level ?? "none"), width), ...LEVEL_STYLES[level ?? "none"] ?? []),
    },
    {
      name: "RULE",
      width: ruleWidth,
      cell: (hit, width) => paint(pad(safeText(hit.rule_title), width), "bold"),
    },
    {
      name: "COMPUTER",
      width: computerWidth,
      cell: ({ source }, width) => pad(computerText(source?.computer ?? "-", width), width),
    },
    {
      name: "RECORD",
      width: recordWidth,
      cell: ({ source }, width) => {
        const text = fit(recordText(source, width), width);
        return paint(text, "cyan") + " ".repeat(Math.max(0, width - textWidth(text)));
      },
    },
  ];
  if (!wide) return all;
  const detailColumn: Column = {
    name: "DETAILS",
    width: rest - ruleWidth,
    cell: (hit, width) => fit(safeText(details(hit)), width),
  };
  return [...all, detailColumn];
}

function shortLevel(level: string): string {
  return level === "informational" ? "info" : level;
}

/** Milliseconds are enough to read, or seconds; the exact text is in the other formats. */
function tableTime(timestamp: string | null, width: number): string {
  if (timestamp === null) return "-";
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(timestamp);
  if (match === null) return timestamp;
  const fraction = (match[3] ?? ".000").slice(0, 4).padEnd(4, "0");
  return `${match[1]!} ${match[2]!}${fraction}`.slice(0, width);
}

/** A host keeps its own name when its domain does not fit; an address is cut as any text is. */
function computerText(computer: string, width: number): string {
  const text = safeText(computer);
  const label = text.slice(0, text.indexOf("."));
  return textWidth(text) > width && /[a-z]/i.test(label) ? label : text;
}

/** The number is what one looks a record up by, so the name before it is cut. */
function recordText(source: ParsedHit["source"], width: number): string {
  if (source === undefined) return "-";
  // A line is looked up in its file; which program wrote it is another matter.
  const isLine = source.message !== undefined;
  const place = safeText(
    source.channel === null || isLine ? lastName(source.path) : shortChannel(source.channel),
  );
  if (source.record_id === null) return fit(place, width);
  const number = ` #${source.record_id}`;
  return `${fit(place, Math.max(1, width - number.length))}${number}`;
}

function lastName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** `Microsoft-Windows-Sysmon/Operational` → `Sysmon`. */
export function shortChannel(channel: string): string {
  return channel.replace(/^Microsoft-Windows-/i, "").replace(/\/Operational$/i, "");
}
