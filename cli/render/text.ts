/**
 * Text for terminals: colours, widths, and values that cannot steer the terminal.
 */

export type Style = "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "dim" | "bold";

const CODES: Readonly<Record<Style, string>> = {
  red: "31",
  green: "32",
  yellow: "33",
  blue: "34",
  magenta: "35",
  cyan: "36",
  dim: "2",
  bold: "1",
};

/** Colours a text, or leaves it as it is. */
export type Paint = (text: string, ...styles: readonly Style[]) => string;

export function painter(color: boolean): Paint {
  if (!color) return (text) => text;
  return (text, ...styles) =>
    `\u001b[${styles.map((style) => CODES[style]).join(";")}m${text}\u001b[0m`;
}

/** The colour of each level, `none` included. */
export const LEVEL_STYLES: Readonly<Record<string, readonly Style[]>> = {
  critical: ["magenta", "bold"],
  high: ["red", "bold"],
  medium: ["yellow"],
  low: ["blue"],
  informational: ["dim"],
  none: ["dim"],
};

/** Control characters, and those that turn the direction of text. */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Makes text from events harmless: a log must not be able to clear the screen. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === "\n" || character === "\t" || character === "\r") return " ";
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** Characters that take two columns: CJK, Hangul, full-width forms, emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const COMBINING = /\p{Mn}/u;

/** How many columns a text takes. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Cuts a text to `width` columns, with `…` where something is missing. */
export function fit(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let out = "";
  let used = 0;
  for (const character of text) {
    const next = characterWidth(character);
    if (used + next > width - 1) break;
    out += character;
    used += next;
  }
  return `${out}…`;
}

/** Cuts and fills a text to exactly `width` columns. */
export function pad(text: string, width: number): string {
  const cut = fit(text, width);
  return cut + " ".repeat(Math.max(0, width - textWidth(cut)));
}

/** Columns separated by two blanks; numbers are right-aligned. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint = (text) => text,
): string[] {
  const widths = header.map((name, column) =>
    Math.max(textWidth(name), ...rows.map((row) => textWidth(row[column] ?? "")))
  );
  const numeric = header.map((_, column) =>
    rows.length > 0 && rows.every((row) => /^[\d,]+$/.test(row[column] ?? ""))
  );
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => {
      const fill = " ".repeat(Math.max(0, widths[column]! - textWidth(cell)));
      return numeric[column] === true ? fill + cell : cell + fill;
    }).join("  ").trimEnd();
  return [
    paint(line(header), "bold"),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...rows.map(line),
  ];
}

/** `1234567` → `1,234,567`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** Bytes in binary units with one decimal. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at === 0 ? String(value) : value.toFixed(1)} ${units[at]!}`;
}

/** `1 event`, `2 events`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
