/**
 * What `|re` costs: loading SigmaHQ's patterns, and the worst text of 64 KiB that can be made from
 * each pattern's own tree, for them and for patterns made to hang engines. The goal is 1 ms.
 *
 * Run with `bun bench/regex.bench.ts`; `--all` prints every pattern.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { parseAllDocuments } from "yaml";
import { compileRegex } from "../src/engine/regex/compile.ts";
import { parseRegex } from "../src/engine/regex/parse.ts";
import { HOSTILE_PATTERNS, hostileTexts, picker } from "../test/arbitraries/regex.ts";
import { matchesNaively } from "../test/support/regex_oracle.ts";

const CORPUS = new URL("../../shared/corpus/sigma/", import.meta.url);
const LENGTH = 65_536;
const LIMIT_MS = 1;

interface Source {
  readonly source: string;
  readonly flags: string;
}

interface Figure extends Source {
  readonly engine: string;
  /** Best of three runs on the worst text. */
  readonly warmMs: number;
  /** First run on the worst text. */
  readonly coldMs: number;
}

/** Every `re` pattern of the rules below `directory`. */
function corpusPatterns(directory: URL): Source[] {
  const found = new Map<string, Source>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const [, ...modifiers] = key.split("|");
      if (!modifiers.includes("re")) {
        visit(inner);
        continue;
      }
      const flags = modifiers.filter((name) => /^[ims]$/.test(name)).join("");
      for (const source of [inner].flat().map(String)) {
        found.set(`${flags}/${source}`, { source, flags });
      }
    }
  };
  for (const name of readdirSync(directory, { recursive: true })) {
    if (!String(name).endsWith(".yml")) continue;
    const text = readFileSync(new URL(String(name), directory), "utf8");
    if (!text.includes("|re")) continue;
    for (const document of parseAllDocuments(text, { logLevel: "silent" })) {
      visit(document.toJS());
    }
  }
  return [...found.values()];
}

function timed(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function measure({ source, flags }: Source): Figure {
  const regex = compileRegex(source, flags);
  const pattern = parseRegex(source, flags);
  let warmMs = 0, coldMs = 0;
  for (const text of hostileTexts(pattern.root, LENGTH)) {
    coldMs = Math.max(coldMs, timed(() => regex.test(text)));
    const runs = [1, 2, 3].map(() => timed(() => regex.test(text)));
    warmMs = Math.max(warmMs, Math.min(...runs));
  }
  for (const text of hostileTexts(pattern.root, 40)) {
    if (source.length < 40) assert.equal(regex.test(text), matchesNaively(pattern, text), source);
  }
  return { source, flags, engine: regex.engine, warmMs, coldMs };
}

function report(title: string, figures: readonly Figure[]): void {
  const sorted = [...figures].sort((a, b) => b.warmMs - a.warmMs);
  const within = (key: "warmMs" | "coldMs"): number =>
    figures.filter((figure) => figure[key] <= LIMIT_MS).length;
  const native = figures.filter(({ engine }) => engine === "native").length;
  console.log(`${title}: ${figures.length} patterns, ${native} native`);
  console.log(
    `  within ${LIMIT_MS} ms per 64 KiB: ${within("warmMs")} warm, ${
      within("coldMs")
    } on first sight; ` +
      `median ${sorted[sorted.length >> 1]?.warmMs.toFixed(3)} ms`,
  );
  for (const figure of process.argv.includes("--all") ? sorted : sorted.slice(0, 8)) {
    const { engine, warmMs, coldMs, source } = figure;
    console.log(
      `  ${warmMs.toFixed(2).padStart(8)} ms warm ${coldMs.toFixed(2).padStart(8)} ms first ` +
        `${engine}  ${source.slice(0, 100)}`,
    );
  }
}

if (existsSync(CORPUS)) {
  const sources = corpusPatterns(CORPUS);
  for (const round of ["first", "second"]) {
    const regexes: ReturnType<typeof compileRegex>[] = [];
    const parse = timed(() =>
      sources.forEach((s) => regexes.push(compileRegex(s.source, s.flags)))
    );
    const literals = timed(() => regexes.forEach((regex) => regex.literals));
    const engines = timed(() => regexes.forEach((regex) => regex.engine));
    console.log(
      `${round} load of ${sources.length} patterns: parse ${parse.toFixed(1)} ms, ` +
        `literals ${literals.toFixed(1)} ms, engines ${engines.toFixed(1)} ms`,
    );
  }
  report("SigmaHQ", sources.map(measure));
} else {
  console.log(`skipped SigmaHQ: no corpus at ${CORPUS.pathname}`);
}
report("hostile", HOSTILE_PATTERNS.map((source) => measure({ source, flags: "" })));

// Texts that bring new sets of positions all the time, so that the table never helps: every run
// meets a text of its own. This is what linear time costs without luck.
const SHIFTING: readonly (readonly [source: string, parts: readonly string[]])[] = [
  [String.raw`(?i)\.exe["']?\s+[^"]{0,64}werfaultsecure\.exe`, [".exe ", "a", "w"]],
  ["[ab]*a[ab]{200}c", ["a", "b"]],
  [String.raw`ping\s+-n.{6,64}echo EEEE\s?>\s?`, ["ping -n", "x", "echo "]],
  ["(?:a.{0,60}){100}b", ["x", "a"]],
];
console.log("fresh random texts of 64 KiB, median and worst of 15 after one:");
const pick = picker(7);
for (const [source, parts] of SHIFTING) {
  const regex = compileRegex(source, "");
  const runs = Array.from({ length: 16 }, () => {
    let text = "";
    while (text.length < LENGTH) text += parts[pick(parts.length)]!;
    return timed(() => regex.test(text));
  }).slice(1).sort((a, b) => a - b);
  console.log(
    `  ${runs[7]!.toFixed(1)} ms, ${runs[14]!.toFixed(1)} ms  ${regex.engine}  ${source}`,
  );
}
