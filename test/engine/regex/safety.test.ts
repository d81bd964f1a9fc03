import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { trimEnds } from "../../../src/engine/regex/ast.ts";
import { buildAutomaton } from "../../../src/engine/regex/automaton.ts";
import { compileRegex } from "../../../src/engine/regex/compile.ts";
import { parseRegex } from "../../../src/engine/regex/parse.ts";
import { worstCost } from "../../../src/engine/regex/safety.ts";
import { HOSTILE_PATTERNS, hostileTexts } from "../../arbitraries/regex.ts";

// The bound that decides, by shape: steps for each character of the worst text.
const COSTS: readonly (readonly [source: string, cost: number, engine: "native" | "linear"])[] = [
  // one walk, one path
  [String.raw`\\[a-zA-Z]{8}\.tmp$`, 2, "native"],
  [String.raw`^C:\\Users\\[^\\]+\\NTUSER\.DAT$`, 3, "native"],
  [String.raw`\\pipe_[0-9a-f]+$`, 2, "native"],
  // what stands at the ends is cut away first
  [".*foo.*", 2, "native"],
  ["x*a+b", 2, "native"],
  ["(.){3,}", 4, "native"],
  // a loop that a match can begin in: quadratic
  ["ac*[ab]+d", Infinity, "linear"],
  ["ba+.*c", Infinity, "linear"],
  // two ways on in a loop: polynomial or exponential
  ["^a*a*b", Infinity, "linear"],
  ["^.*x", Infinity, "linear"],
  ["^(a+)+$", Infinity, "linear"],
  ["^(a|a)*$", Infinity, "linear"],
  ["^(a|ab)*c", Infinity, "linear"],
  // bounded, but more than the linear engine takes
  ["[a-f0-9]{8}-", 9, "linear"],
  ["x[^/]{100}x", 103, "linear"],
];

for (const [source, cost, engine] of COSTS) {
  test(`worstCost() of ${source} is ${cost}, so it runs ${engine}`, () => {
    const pattern = parseRegex(source, "");
    const root = trimEnds(pattern.root);
    assert.equal(worstCost(buildAutomaton({ ...pattern, root })), cost);
    assert.equal(compileRegex(source, "").engine, engine);
  });
}

test("compileRegex() leaves parts that can be empty in two ways to the linear engine", () => {
  for (const source of ["x(?:a?)*y", "x(?:a?|b?)y", "x(?:a*)?y"]) {
    assert.equal(compileRegex(source, "").engine, "linear", source);
  }
});

// quality.md, R14. The figure itself is measured in bench/regex.bench.ts; a test on a busy machine
// can only tell linear from quadratic, which takes seconds here.
const LENGTH = 65_536;
const GUARD_MS = 2_000;

function assertQuick(source: string, flags: string): void {
  const regex = compileRegex(source, flags);
  for (const text of hostileTexts(parseRegex(source, flags).root, LENGTH)) {
    const start = performance.now();
    regex.test(text);
    const took = performance.now() - start;
    assert.ok(took < GUARD_MS, `${took} ms for ${source} on ${JSON.stringify(text.slice(0, 40))}`);
  }
}

for (const source of HOSTILE_PATTERNS) {
  test(`compileRegex() ${source} takes linear time on texts made to hurt it`, () => {
    assertQuick(source, "");
  });
}

const CORPUS = new URL("../../../../shared/corpus/sigma/rules/", import.meta.url);
const skip = existsSync(CORPUS) ? false : `no SigmaHQ rules at ${CORPUS.pathname}`;

test("compileRegex() reads every pattern of SigmaHQ and takes linear time on it", { skip }, () => {
  const patterns = new Map<string, string>();
  for (const name of readdirSync(CORPUS, { recursive: true })) {
    if (!String(name).endsWith(".yml")) continue;
    const text = readFileSync(new URL(String(name), CORPUS), "utf8");
    if (!text.includes("|re")) continue;
    for (const document of parseAllDocuments(text)) collect(document.toJS(), patterns);
  }
  assert.ok(patterns.size > 50, `found only ${patterns.size} patterns`);
  for (const [key, source] of patterns) assertQuick(source, key.slice(0, key.indexOf("/")));
});

/** Adds the `re` values of a rule, keyed by flags and source. */
function collect(value: unknown, patterns: Map<string, string>): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const [, ...modifiers] = key.split("|");
    if (!modifiers.includes("re")) {
      collect(inner, patterns);
      continue;
    }
    const flags = modifiers.filter((name) => /^[ims]$/.test(name)).join("");
    for (const source of [inner].flat()) patterns.set(`${flags}/${source}`, String(source));
  }
}
