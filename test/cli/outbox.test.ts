/** `picket outbox` and `picket dlq` on a state file, beside a running agent and without one. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { Command } from "commander";
import { dlqCommand } from "../../cli/commands/dlq.ts";
import { outboxCommand } from "../../cli/commands/outbox.ts";
import { type CliIo, EXIT, type ExitCode } from "../../cli/io.ts";
import { openState } from "../../src/store/open_state.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import { commitOf, drain, newAlert, PLAIN } from "../store/helpers.ts";
import { TempDirectory } from "../store/temp_directory.ts";

interface Run {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Runs one of the two groups as `picket` would, errors included as `message`. */
async function run(...args: readonly string[]): Promise<Run> {
  let [out, err] = ["", ""];
  let code: ExitCode = EXIT.ok;
  const io: CliIo = {
    out: (text) => out += text,
    outBytes: (bytes) => out += new TextDecoder().decode(bytes),
    err: (line) => err += `${line}\n`,
    errRaw: (text) => err += text,
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 120,
    env: {},
    signal: new AbortController().signal,
  };
  const exit = (result: ExitCode): void => void (code = result);
  const program = new Command("picket").exitOverride();
  program.addCommand(outboxCommand(io, exit)).addCommand(dlqCommand(io, exit));
  await program.parseAsync([...args], { from: "user" });
  return { code, out, err };
}

function filled(path: string): StateStore {
  const state = openState(path, PLAIN);
  state.registerSinks([{ id: "hub", filter: {} }, { id: "log", filter: {} }], 0);
  state.commit({
    ...commitOf([1, 2, 3].map((key) => newAlert(key, { level: key === 2 ? "high" : "low" }))),
    deadLetters: [{
      stage: "parse",
      sourceId: "auth",
      original: "bad\u001b[2Jline",
      code: "json",
      error: "Unexpected token",
    }],
  });
  drain(state, "log");
  state.settle("hub", [
    { seq: 1, outcome: "retry", nextMs: 1e12, error: "connection refused" },
    { seq: 3, outcome: "dead", failure: "poison", error: "413 too large" },
  ], 2000);
  return state;
}

test("outbox list shows sinks and what waits, while the agent runs and after", async () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  for (const isRunning of [true, false]) {
    const state = isRunning ? filled(path) : undefined;
    const { code, out, err } = await run("outbox", "list", "--state", path);
    assert.equal(code, EXIT.ok);
    assert.match(out, /^hub\s+active\s+2\s+1\s+\S+ B\s+1\s+-\s+413 too large$/m);
    assert.match(out, /^\s*1\s+low\s+detection\s+A rule\s+1970-\S+\s+hub \(tried 1x\)$/m);
    assert.match(err, /^2 alerts waiting .*, 1 kept$/m);
    state?.[Symbol.dispose]();
  }
  const json = JSON.parse(
    (await run("outbox", "list", "--state", path, "--output-format", "json")).out,
  ) as { sinks: { id: string }[]; alerts: { seq: number }[] };
  assert.deepEqual(json.sinks.map(({ id }) => id), ["hub", "log"]);
  assert.deepEqual(json.alerts.map(({ seq }) => seq), [1, 2]);
  const ndjson = await run(
    "outbox",
    "list",
    "--state",
    path,
    "--all",
    "--output-format",
    "ndjson",
    "-q",
  );
  assert.deepEqual(
    ndjson.out.trim().split("\n").map((line) => (JSON.parse(line) as { seq: number }).seq),
    [1, 2, 3],
  );
  assert.equal(ndjson.err, "");
});

test("outbox show prints an alert by number and by id", async () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  using _state = filled(path);
  for (const key of ["2", "alert-2"]) {
    const { out } = await run("outbox", "show", key, "--state", path);
    const alert = JSON.parse(out) as Record<string, unknown>;
    assert.deepEqual(alert["body"], { alert_id: "alert-2" });
    assert.deepEqual(alert["waits_for"], [{ sink: "hub", attempts: 0, next_try: null }]);
  }
  await assert.rejects(run("outbox", "show", "77", "--state", path), /no alert 77/);
});

test("outbox retry and drop reach a running agent, and are audited", async () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  using state = filled(path);
  const pending = () => state.pending("hub", 10, 5000).map(({ alert }) => alert.seq);
  assert.deepEqual(pending(), [2]);
  assert.match((await run("outbox", "retry", "--sink", "hub", "--state", path)).err, /^1 alert to/);
  assert.deepEqual(pending(), [1, 2]);
  await run("outbox", "retry", "--sink", "log", "1", "alert-2", "--state", path);
  assert.deepEqual(state.pending("log", 10, 5000).map(({ alert }) => alert.seq), [1, 2]);
  assert.match((await run("outbox", "drop", "1", "--state", path)).err, /^1 alert dropped$/m);
  assert.deepEqual(pending(), [2]);
  await run("outbox", "drop", "--all", "--sink", "log", "--state", path);
  assert.equal(state.backlog("log", 0).alerts, 0);
  assert.equal(state.backlog("hub", 0).alerts, 1);
  assert.deepEqual(state.auditEntries().entries.map(({ action }) => action).reverse(), [
    "outbox retry",
    "outbox retry",
    "outbox drop",
    "outbox drop",
  ]);
  await assert.rejects(run("outbox", "drop", "--state", path), /Name the alerts/);
  await assert.rejects(run("outbox", "retry", "--sink", "x", "--state", path), /knows hub, log/);
});

test("dlq list, replay and drop", async () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  using state = filled(path);
  const { out, err } = await run("dlq", "list", "--state", path);
  assert.match(
    out,
    /^\s*1\s+\S+\s+parse\s+json\s+-\s+auth\s+Unexpected token\s+bad\\x1b\[2Jline$/m,
  );
  assert.match(err, /^2 dead letters$/m);
  const lines = await run("dlq", "list", "--state", path, "--output-format", "ndjson");
  assert.deepEqual(Object.keys(JSON.parse(lines.out.split("\n")[1]!) as object), [
    "original_event",
    "error",
    "timestamp",
    "id",
    "stage",
    "error_code",
    "attempts",
    "sink",
    "alert_id",
    "source",
    "record_id",
  ]);
  const refused = await run("dlq", "replay", "1", "--state", path);
  assert.equal(refused.code, EXIT.incomplete);
  assert.match(refused.err, /dead letter 1 stays: it holds a record/);
  const replayed = await run("dlq", "replay", "--all", "--state", path);
  assert.deepEqual([replayed.code, replayed.err], [EXIT.ok, "1 alert put back into the outbox\n"]);
  assert.deepEqual(
    state.pending("hub", 10, 5000).map(({ alert }) => alert.id),
    ["alert-2", "alert-3"],
  );
  assert.match(
    (await run("dlq", "drop", "--stage", "parse", "--all", "--state", path)).err,
    /^1 dead letter dropped$/m,
  );
  assert.deepEqual(state.deadLetters(), []);
});

test("outbox check tells a sound file from a damaged one", async () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  {
    using _state = filled(path);
    assert.match((await run("outbox", "check", "--state", path)).err, /sound; an agent is running/);
  }
  assert.equal((await run("outbox", "check", "--state", path)).code, EXIT.ok);
  await assert.rejects(
    run("outbox", "check", "--state", files.path("none.db")),
    /there is no such file/,
  );
  writeFileSync(files.path("bad.db"), "garbage ".repeat(1000));
  await assert.rejects(run("outbox", "list", "--state", files.path("bad.db")), /not a database/);
  const bad = await run("outbox", "check", "--state", files.path("bad.db"));
  assert.equal(bad.code, EXIT.findings);
});
