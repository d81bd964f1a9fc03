import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { stdinSource } from "../../src/ingest/stdin.ts";
import type { EventBatch } from "../../src/runtime/plugin.ts";

const CHILD = fileURLToPath(new URL("../support/stdin_child.ts", import.meta.url));
const NEVER = new AbortController().signal;

async function readAll(blocks: readonly Uint8Array[]) {
  const input = Readable.from(blocks);
  const source = stdinSource({ type: "stdin", id: "in" }, { bootId: "b", input });
  const batches: EventBatch[] = [];
  for await (const batch of source.read(undefined, NEVER)) batches.push(batch);
  const events = batches.flatMap(({ events }) => events);
  return {
    source,
    batches,
    lines: events.map(({ payload }) => payload),
    ids: events.map(({ recordId }) => recordId),
    notices: batches.flatMap(({ notices }) => notices ?? []),
  };
}

const encode = (text: string) => new TextEncoder().encode(text);
const MIB = 1 << 20;

// delivery.md 3.2, 3.3, 20.13; inputs.md 20.3: bytes, the lines they are.
const INPUTS: readonly (readonly [what: string, input: Uint8Array, expected: readonly string[]])[] =
  [
    ["lines", encode("a\nb\n"), ["a", "b"]],
    ["a last line without an end", encode("a\nb"), ["a", "b"]],
    ["CR LF", encode("a\r\nb\r\n"), ["a", "b"]],
    ["blank lines", encode("\n \t\na\n\n\u00a0\n"), ["a"]],
    ["a byte order mark", encode("\ufeffa\n\ufeffb\n"), ["a", "\ufeffb"]],
    ["bytes that are no UTF-8", Uint8Array.of(0x61, 0xff, 0x62, 10, 0x63, 10), ["a\ufffdb", "c"]],
    ["a line of 1 MiB", encode(`${"x".repeat(MIB)}\nok\n`), ["x".repeat(MIB), "ok"]],
    ["a line above 1 MiB", encode(`${"x".repeat(MIB + 1)}\nok\n`), ["ok"]],
    ["nothing", new Uint8Array(0), []],
  ];

for (const [what, input, expected] of INPUTS) {
  test(`stdinSource() reads ${what}`, async () => {
    const { lines, source, ids } = await readAll([input]);
    assert.deepEqual(lines, expected);
    assert.deepEqual(ids, expected.map((_, at) => `b:${at + 1}`));
    assert.ok(source.ended);
    assert.equal(source.health().state, "stopped");
  });
}

test("stdinSource() gives the same lines however the input is cut into blocks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" }).map((line) => line.replace(/[\r\n]/g, ""))),
      fc.array(fc.nat({ max: 200 }), { maxLength: 8 }),
      async (texts, cuts) => {
        const bytes = encode(texts.map((text) => `${text}\n`).join(""));
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length]
          .sort((a, b) => a - b);
        const blocks = places.slice(1).map((end, at) => bytes.slice(places[at]!, end))
          .filter((block) => block.length > 0);
        const { lines } = await readAll(blocks);
        const kept = texts.map((text, at) => at === 0 ? text.replace(/^\ufeff/, "") : text);
        assert.deepEqual(lines, kept.filter((text) => text.trim() !== ""));
      },
    ),
    { numRuns: 50 },
  );
});

test("stdinSource() counts what it replaced and tells what it lost", async () => {
  const long = encode(`${"x".repeat(MIB + 1)}\nok\n`);
  const { notices, source } = await readAll([Uint8Array.of(0xff, 10), long]);
  assert.equal(source.health().counts?.replacements, 1);
  assert.equal(source.health().counts?.long_lines, 1);
  assert.deepEqual(notices.map(({ reason, facts }) => [reason, facts.lines, facts.bytes]), [
    ["long_line", 1, MIB + 1],
  ]);
});

test("stdinSource() bounds its batches", async () => {
  const { batches, lines } = await readAll([encode("x\n".repeat(10_000))]);
  assert.equal(lines.length, 10_000);
  assert.ok(batches.every(({ events }) => events.length <= 4096));
});

function runChild(args: readonly string[], write: (stdin: NodeJS.WritableStream) => void) {
  const started = "Deno" in globalThis ? ["run", "-A", CHILD] : [CHILD];
  const child = spawn(process.execPath, [...started, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {}); // The child may be gone before it has read everything.
  write(child.stdin);
  return new Promise<{ code: number | null; out: string }>((resolve) => {
    let out = "";
    child.stdout.on("data", (block) => out += String(block));
    child.on("close", (code) => {
      child.stdin.destroy();
      resolve({ code, out });
    });
  });
}

test("stdinSource() reads a real pipe to its end", async () => {
  const { code, out } = await runChild([], (stdin) => {
    stdin.write("one\ntw");
    setTimeout(() => stdin.end("o\nthree"), 50);
  });
  const [first, second, third, end] = out.split("\n");
  assert.deepEqual([first, second, third], ["boot:1 one", "boot:2 two", "boot:3 three"]);
  assert.match(end!, /^ended true/);
  assert.equal(code, 0);
});

test("stdinSource() does not keep the process alive when it is stopped", async () => {
  const { code, out } = await runChild(["300"], (stdin) => stdin.write("one\n"));
  assert.equal(out, "boot:1 one\naborted TimeoutError\n");
  assert.equal(code, 0);
});
