/**
 * What event filters cost: expressions of jq and JSONPath on Windows events of the corpus, in the
 * envelopes that collectors put them in. Events a second, decoding and compiling left out.
 *
 *   bun bench/filter.bench.ts [--with DIRECTORY]
 *
 * `--with` names a `node_modules` that holds packages to compare with: `jq-wasm`, `@michaelhomer/jqjs`,
 * `fgh`, `jqts`. Those that are not there, or cannot do an expression, are left out.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { query } from "jsonpath-rfc9535";
import { compileFilter } from "../src/decode/filter/compile.ts";
import { compileJq } from "../src/decode/filter/jq/jq.ts";
import { compileJsonPath } from "../src/decode/filter/json_path.ts";
import type { FilterSettings } from "../src/decode/filter/types.ts";
import { ValueEvent } from "../src/decode/filter/value_event.ts";
import { JsonEvent } from "../src/decode/json.ts";
import { jsonText } from "../src/event/json_text.ts";
import type { Value } from "../src/event/value.ts";

const CORPUS = new URL("../../shared/corpus/ndjson/", import.meta.url);
const EVENTS = 2000;
const MEASURE_MS = 1500;

/** An event as each candidate wants it. */
interface Sample {
  readonly text: string;
  readonly value: unknown;
}

type Run = (sample: Sample) => readonly unknown[] | Promise<readonly unknown[]>;
type Compile = (expression: string) => Run;

interface Case {
  readonly kind: FilterSettings["kind"];
  readonly expression: string;
  /** Puts an event into what the expression takes it out of. */
  readonly wrap: (event: unknown, text: string) => unknown;
}

const plain = (event: unknown): unknown => event;
const inRecords = (event: unknown): unknown => ({
  records: Array.from({ length: 10 }, () => event),
});

const CASES: readonly Case[] = [
  { kind: "jq", expression: ".", wrap: plain },
  { kind: "jq", expression: ".event", wrap: (event) => ({ ts: 1, event }) },
  { kind: "jq", expression: ".records[]", wrap: inRecords },
  { kind: "jq", expression: "select(.EventID == 1)", wrap: plain },
  { kind: "jq", expression: ".message | fromjson", wrap: (_event, message) => ({ message }) },
  {
    kind: "jq",
    expression: "{id: .EventID, host: .Hostname, image: (.Image // .NewProcessName)}",
    wrap: plain,
  },
  { kind: "jq", expression: "with_entries(.key |= ascii_downcase)", wrap: plain },
  { kind: "jq", expression: 'select(.Message // "" | test("power.?shell"; "i"))', wrap: plain },
  { kind: "jsonpath", expression: "$.event", wrap: (event) => ({ ts: 1, event }) },
  { kind: "jsonpath", expression: "$.records[*]", wrap: inRecords },
  { kind: "jsonpath", expression: "$.records[?@.EventID == 1]", wrap: inRecords },
  { kind: "jsonpath", expression: "$..EventID", wrap: plain },
];

function corpusLines(): readonly string[] {
  const lines: string[] = [];
  for (const name of readdirSync(CORPUS).sort()) {
    const bytes = readFileSync(new URL(name, CORPUS));
    if (bytes.length === 0) continue;
    const text = gunzipSync(bytes).toString("utf8");
    lines.push(...text.split("\n").filter((line) => line !== "").slice(0, EVENTS / 8));
  }
  return lines.slice(0, EVENTS);
}

/** The expression alone, as the packages are asked for it. */
function bare(kind: FilterSettings["kind"]): Compile {
  return (expression) => {
    if (kind === "jsonpath") {
      const path = compileJsonPath(expression);
      return ({ value }) => {
        const found: unknown[] = [];
        path.run(value as Value, (one) => found.push(one));
        return found;
      };
    }
    const program = compileJq(expression);
    return ({ value }) => {
      const found: unknown[] = [];
      program.run(value as Value, (one) => found.push(one), (message) => assert.fail(message));
      return found;
    };
  };
}

/** From an event to events, which finds the long integers that `JSON.parse` has rounded. */
function whole(kind: FilterSettings["kind"]): Compile {
  return (expression) => {
    const filter = compileFilter({ kind, expression });
    return ({ text, value }) =>
      filter(new JsonEvent(value as Value, text), (message) => assert.fail(message));
  };
}

/** Packages under `directory`, each behind its own way to be called. */
function candidates(directory: string | undefined): ReadonlyMap<string, Compile> {
  const found = new Map<string, Compile>();
  if (directory === undefined) return found;
  const require = createRequire(join(resolve(directory), "x.js"));
  const load = (name: string): unknown =>
    existsSync(join(directory, name)) ? require(join(resolve(directory), name)) : undefined;
  const jqjs = load("@michaelhomer/jqjs/jq.js") as
    | { compile(program: string): (value: unknown) => Iterable<unknown> }
    | undefined;
  if (jqjs !== undefined) {
    found.set("@michaelhomer/jqjs", (program) => {
      const filter = jqjs.compile(program);
      return ({ value }) => [...filter(value)];
    });
  }
  const fgh = load("fgh/dist/fgh.js") as
    | { compile(program: string): (value: unknown) => readonly unknown[] }
    | undefined;
  if (fgh !== undefined) {
    found.set("fgh", (program) => {
      const filter = fgh.compile(program);
      return ({ value }) => filter(value);
    });
  }
  const jqts = load("jqts/dist/index.js") as
    | { default: { compile(program: string): { evaluate(value: unknown): readonly unknown[] } } }
    | undefined;
  if (jqts !== undefined) {
    found.set("jqts", (program) => {
      const filter = jqts.default.compile(program);
      return ({ value }) => filter.evaluate(value);
    });
  }
  const wasm = load("jq-wasm/dist/index.js") as
    | { raw(text: string, program: string, flags: readonly string[]): Promise<unknown> }
    | undefined;
  if (wasm !== undefined) {
    found.set("jq-wasm", (program) => async ({ text }) => {
      const output = await wasm.raw(text, program, ["-c"]);
      return String(output).split("\n").filter((line) => line !== "")
        .map((line) => JSON.parse(line) as unknown);
    });
  }
  return found;
}

/** Events a second; the outputs of the first events are checked. */
async function measure(run: Run, samples: readonly Sample[], expected: readonly string[]) {
  for (const [at, texts] of expected.entries()) {
    const outputs = await run(samples[at]!);
    // Rounded integers are compared, since those are what a package is given.
    if (!(outputs[0] instanceof ValueEvent || outputs[0] instanceof JsonEvent)) {
      assert.equal(outputs.map(jsonText).join("\n"), texts);
    }
  }
  const first = run(samples[0]!);
  let events = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < MEASURE_MS) {
    for (let step = 0; step < 20; step++) {
      const outputs = run(samples[events++ % samples.length]!);
      if (first instanceof Promise) await outputs;
    }
  }
  return events / ((performance.now() - startedAt) / 1000);
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--with");
  const others = candidates(at < 0 ? undefined : process.argv[at + 1]);
  const lines = corpusLines();
  for (const { kind, expression, wrap } of CASES) {
    const samples = lines.map((line) => {
      const value = wrap(JSON.parse(line), line);
      return { value, text: JSON.stringify(value) };
    });
    const mine = bare(kind)(expression);
    const expected = await Promise.all(
      samples.slice(0, 20).map(async (sample) => (await mine(sample)).map(jsonText).join("\n")),
    );
    const all: [string, Compile][] = kind === "jq"
      ? [["picket", bare(kind)], ["picket, event to events", whole(kind)], ...others]
      : [["json-p3", bare(kind)], ["json-p3, event to events", whole(kind)], [
        "jsonpath-rfc9535",
        (path) => ({ value }) => query(value as never, path),
      ]];
    for (const [name, compile] of all) {
      try {
        const perSecond = await measure(compile(expression), samples, expected);
        console.log(`${expression}\t${name}\t${Math.round(perSecond)}`);
      } catch (error) {
        const reason = error instanceof Error ? error.message.split("\n")[0]! : String(error);
        console.log(`${expression}\t${name}\tfails: ${reason.slice(0, 60)}`);
      }
    }
  }
}

if (existsSync(CORPUS)) await main();
else console.log("skipped: ../shared/corpus/ndjson is absent");
