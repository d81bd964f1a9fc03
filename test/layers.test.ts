/**
 * The rooms of `src` import downwards only, and the lower ones know no I/O.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** From the bottom up: a room may import itself and those before it. */
const ROOMS = [
  "event",
  "decode",
  "schema",
  "sigma",
  "pipeline",
  "engine",
  "correlate",
  "runtime",
  "ingest",
  "dynamic",
  "enrich",
  "deliver",
  "store",
  "admin",
  "agent",
] as const;
/** Rooms that must work from arguments alone. */
const PURE = new Set(["event", "decode", "schema", "sigma", "pipeline", "engine", "correlate"]);
/** What stands for I/O, time and chance in a pure room. Buffers, digests and inflation do not. */
const IMPURE_MODULES = /^node:(?!buffer$|crypto$|zlib$)/;
const IMPURE_CALLS =
  /\b(?:Date\.now|performance\.now|Math\.random|fetch|setTimeout|setInterval)\s*\(/;

function sources(directory: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[])
    .filter((name) => name.endsWith(".ts")).map((name) => join(directory, name)).sort();
}

function imports(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^\s*(?:import|export)\b[^"';]*?from\s*"([^"]+)"/gm)]
    .map((match) => match[1]!);
}

function roomOf(file: string): string {
  return relative(join(ROOT, "src"), file).split(/[\\/]/)[0]!;
}

test("rooms import downwards only", () => {
  const wrong: string[] = [];
  const files = sources(join(ROOT, "src"));
  assert.ok(files.length > 50, "the sources were found");
  for (const file of files) {
    const own = ROOMS.indexOf(roomOf(file) as typeof ROOMS[number]);
    assert.ok(own >= 0, `${file} is in a room`);
    for (const name of imports(file).filter((one) => one.startsWith("."))) {
      const target = resolve(dirname(file), name);
      const room = ROOMS.indexOf(roomOf(target) as typeof ROOMS[number]);
      if (room < 0 || room > own) wrong.push(`${relative(ROOT, file)} imports ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("pure rooms know no I/O, no clock and no chance", () => {
  const wrong: string[] = [];
  for (const file of sources(join(ROOT, "src")).filter((one) => PURE.has(roomOf(one)))) {
    for (const name of imports(file)) {
      if (IMPURE_MODULES.test(name)) wrong.push(`${relative(ROOT, file)} imports ${name}`);
    }
    if (IMPURE_CALLS.test(readFileSync(file, "utf8"))) {
      wrong.push(`${relative(ROOT, file)} is impure`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("src does not know the command line", () => {
  const wrong = sources(join(ROOT, "src")).filter((file) =>
    imports(file).some((name) => /(?:^|\/)cli\//.test(name))
  );
  assert.deepEqual(wrong, []);
});
