/**
 * One file is all that is needed; and what a terminal shows.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { textWidth } from "../../cli/render/text.ts";
import {
  FIXTURES,
  hitsOf,
  PICKET,
  picket,
  run,
  scratch,
  skipWithoutExecutable,
} from "../support/picket.ts";

const built = skipWithoutExecutable();

test("the executable runs alone: no environment, an empty directory", built, async () => {
  using dir = scratch();
  const expected = await picket(["scan", FIXTURES, "-q"]);
  const alone = await picket(["scan", FIXTURES, "-q"], { cwd: dir.path, env: {} });
  assert.equal(alone.code, 0, alone.stderr);
  assert.equal(alone.stdout, expected.stdout);
  assert.deepEqual(readdirSync(dir.path), []);
  const info = await picket(["rules", "bundle", "info"], { cwd: dir.path, env: {} });
  const { rules } = JSON.parse(info.stdout) as { readonly rules: number };
  assert.ok(rules >= 100);
});

test(
  "the executable runs from a directory it may not write, under another name",
  built,
  async () => {
    using dir = scratch();
    const copy = dir.file("scanner");
    copyFileSync(PICKET, copy);
    chmodSync(copy, 0o555);
    chmodSync(dir.path, 0o555);
    const { code, stdout, stderr } = await run([copy, "scan", FIXTURES, "-q"], {
      cwd: dir.path,
      env: { PATH: "/nonexistent" },
    }).finally(() => chmodSync(dir.path, 0o755));
    assert.equal(code, 0, stderr);
    assert.ok(hitsOf(stdout).length > 10);
  },
);

test("--version is quick", built, async () => {
  await picket(["--version"]);
  const { seconds } = await picket(["--version"]);
  assert.ok(seconds < 1, `${seconds} s`);
});

const terminal = {
  skip: built.skip ||
    (!existsSync("/usr/bin/script") || process.platform !== "linux") &&
      "skipped: no script(1) to make a terminal",
};

/** Runs a command line in a terminal of so many columns; stderr to the terminal as well. */
async function inTerminal(columns: number, args: readonly string[], env = {}) {
  const command = [PICKET, ...args].map((word) => `'${word}'`).join(" ");
  const { stdout } = await run(
    ["script", "-qec", `stty cols ${columns}; ${command}`, "/dev/null"],
    { env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", SHELL: "/bin/sh", ...env } },
  );
  return stdout;
}

/** What remains visible: no colours, and of a line that was overwritten its last state. */
function visible(text: string): string[] {
  // deno-lint-ignore no-control-regex
  return text.replace(/\u001b\[[\d;]*m/g, "").split(/\r?\n/)
    .map((line) => line.split("\r\u001b[K").at(-1)!);
}

for (const columns of [80, 100, 140, 200]) {
  test(`a terminal of ${columns} columns gets whole lines`, terminal, async () => {
    const args = ["scan", join(FIXTURES, "evtx"), "--threads", "2", "--exclude", "*damaged*"];
    const raw = await inTerminal(columns, args);
    // deno-lint-ignore no-control-regex
    assert.match(raw, /\u001b\[1mTIME \(UTC\)/);
    // deno-lint-ignore no-control-regex
    assert.match(raw, /\u001b\[35;1mcritical/);
    const lines = visible(raw);
    for (const line of lines) assert.ok(textWidth(line) <= columns, `${textWidth(line)}: ${line}`);
    const header = lines.find((line) => line.startsWith("TIME (UTC)"))!;
    const hits = lines.filter((line) => /^2025-03-11 /.test(line));
    assert.ok(hits.length > 10);
    const ruleAt = header.indexOf("RULE");
    const recordAt = header.indexOf("RECORD");
    for (const line of hits) {
      assert.match(line.slice(ruleAt - 10, ruleAt), /^(?:critical|high|medium|low|info) +$/);
      assert.match(line.slice(recordAt), /^\S.* #\d+/);
    }
    assert.equal(header.includes("DETAILS"), columns >= 132);
    assert.ok(lines.includes("Summary"));
  });
}

test("colours obey --color, NO_COLOR and TERM", terminal, async () => {
  const args = ["scan", join(FIXTURES, "evtx/ws01"), "--threads", "1"];
  // deno-lint-ignore no-control-regex
  const colored = (text: string): boolean => /\u001b\[\d[\d;]*m/.test(text);
  assert.ok(colored(await inTerminal(100, args)));
  assert.ok(!colored(await inTerminal(100, args, { NO_COLOR: "1" })));
  assert.ok(!colored(await inTerminal(100, args, { TERM: "dumb" })));
  assert.ok(!colored(await inTerminal(100, [...args, "--color", "never"])));
  assert.ok(!colored((await picket(args)).stdout));
  const forced = await picket([...args, "--color", "always", "--output-format", "table"]);
  assert.ok(colored(forced.stdout) && colored(forced.stderr));
});

test("progress is shown on a terminal and is gone in the end", terminal, async () => {
  using dir = scratch();
  const args = ["scan", join(FIXTURES, "json"), "-o", dir.file("o.txt"), "--threads", "2"];
  const slow = ["--no-index", "--no-logsource-routing"];
  const raw = await inTerminal(100, [...args, ...slow]);
  const states = raw.split("\r\u001b[K").slice(1, -1);
  assert.ok(states.some((state) => /^\d+% of [\d.]+ KiB, 3 files · \d+ events · /.test(state)));
  for (const state of states) assert.ok(textWidth(state) < 100, state);
  assert.ok(visible(raw).every((line) => !line.includes("% of")));
  assert.doesNotMatch(await inTerminal(100, [...args, ...slow, "-q"]), /% of/);
});
