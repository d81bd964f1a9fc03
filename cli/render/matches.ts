/**
 * Results of `picket eval` in each output format, one at a time.
 */
import type { DetectionResult } from "../../src/engine/result.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { csvLine } from "./csv.ts";
import type { OutputFormat, RenderOptions } from "./hits.ts";
import { fit, LEVEL_STYLES, pad, safeText } from "./text.ts";

/** Turns results into text; the caller writes what it gets. */
export interface MatchRenderer {
  /** Before the first result; for CSV also if there is none. */
  readonly header: string;
  render(result: DetectionResult): string;
}

const COLUMNS = ["LEVEL", "RULE", "TYPE", "DETAIL"] as const;
/** Longer details are cut, in characters. */
const MAX_DETAIL = 200;
const LEVEL_WIDTH = 13;
const MIN_COLUMNS = 80;

export function matchRenderer(format: OutputFormat, options: RenderOptions): MatchRenderer {
  switch (format) {
    case "ndjson":
      return { header: "", render: (result) => `${jsonText(result)}\n` };
    case "json": {
      const write = options.pretty ? prettyJsonText : jsonText;
      return { header: "", render: (result) => `${write(result)}\n` };
    }
    case "csv":
      return {
        header: csvLine(COLUMNS),
        render: (result) =>
          csvLine([result.level ?? "-", result.rule_title, "detection", details(result)]),
      };
    case "table":
      return tableRenderer(options);
  }
}

/** The widths do not depend on the results, so that each is shown as soon as it is there. */
function tableRenderer({ columns, paint }: RenderOptions): MatchRenderer {
  const free = Math.max(MIN_COLUMNS, columns) - LEVEL_WIDTH - "detection".length - 6;
  const ruleWidth = Math.min(56, Math.floor(free * 0.45));
  const header = [
    pad(COLUMNS[0], LEVEL_WIDTH),
    pad(COLUMNS[1], ruleWidth),
    pad(COLUMNS[2], "detection".length),
    COLUMNS[3],
  ];
  return {
    header: `${paint(header.join("  "), "bold")}\n`,
    render: (result) => {
      const level = result.level ?? "-";
      const cells = [
        paint(pad(level, LEVEL_WIDTH), ...LEVEL_STYLES[result.level ?? "none"] ?? []),
        paint(pad(safeText(result.rule_title), ruleWidth), "bold"),
        "detection",
        fit(safeText(details(result)), free - ruleWidth),
      ];
      return `${cells.join("  ").trimEnd()}\n`;
    },
  };
}

/** `field=value` of everything that took part. */
function details({ matched_fields: fields }: DetectionResult): string {
  const text = fields.map(({ field, value }) => `${field}=${valueText(value)}`).join(", ");
  const characters = [...text];
  return characters.length <= MAX_DETAIL
    ? text
    : `${characters.slice(0, MAX_DETAIL - 1).join("")}…`;
}

function valueText(value: Value): string {
  return typeof value === "string" ? value : jsonText(value);
}
