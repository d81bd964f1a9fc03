/**
 * Terminal output to a picture: what `dist/picket scan fixtures --color always` writes to a terminal
 * of 132 columns, given to `bun docs/make_picture.ts` on standard input, becomes `docs/scan.svg`. Colours
 * are those of the sixteen that Picket uses.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const COLUMNS = 132;
const CHARACTER = 7.25;
const LINE = 17;
const PADDING = 14;
const COLORS: Readonly<Record<string, string>> = {
  "31": "#ff7b72",
  "32": "#7ee787",
  "33": "#e3b341",
  "34": "#79c0ff",
  "35": "#d2a8ff",
  "36": "#76e3ea",
  "2": "#8b949e",
};

/** Browsers make one blank of several, and no longer agree on what tells them not to. */
function escape(text: string): string {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", " ": "\u00a0" } as const;
  return text.replace(/[&<> ]/g, (mark) => marks[mark as keyof typeof marks]);
}

/** One line: runs of text, each with the codes that stood before it. */
function renderLine(line: string, row: number): string {
  let codes: readonly string[] = [];
  let column = 0;
  let spans = "";
  // deno-lint-ignore no-control-regex
  for (const part of line.split(/(\u001b\[[\d;]*m)/)) {
    // deno-lint-ignore no-control-regex
    const code = /^\u001b\[([\d;]*)m$/.exec(part);
    if (code !== null) {
      codes = code[1] === "0" ? [] : code[1]!.split(";");
      continue;
    }
    const text = part.slice(0, Math.max(0, COLUMNS - column));
    if (text.trim() !== "") {
      const color = codes.map((one) => COLORS[one]).find((one) => one !== undefined) ?? "#e6edf3";
      const bold = codes.includes("1") ? ' font-weight="bold"' : "";
      const x = (PADDING + column * CHARACTER).toFixed(1);
      spans += `<tspan x="${x}" fill="${color}"${bold}>${escape(text)}</tspan>`;
    }
    column += part.length;
  }
  return `<text y="${PADDING + 34 + row * LINE}">${spans}</text>`;
}

const lines = readFileSync(0, "utf8").trimEnd().split("\n");
const width = Math.ceil(COLUMNS * CHARACTER + 2 * PADDING);
const height = lines.length * LINE + 2 * PADDING + 34;
const dots = ["#ff5f57", "#febc2e", "#28c840"]
  .map((color, at) => `<circle cx="${20 + at * 18}" cy="18" r="5.5" fill="${color}"/>`).join("");
writeFileSync(
  fileURLToPath(new URL("scan.svg", import.meta.url)),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-size="12" ` +
    `font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace">` +
    `<title>picket scan fixtures</title><rect width="100%" height="100%" rx="8" fill="#0d1117"/>` +
    `${dots}${lines.map(renderLine).join("\n")}</svg>\n`,
);
