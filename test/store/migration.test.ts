/** State files of other versions. R16. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { StateError } from "../../src/runtime/errors.ts";
import { Database } from "../../src/store/database.ts";
import { openState } from "../../src/store/open_state.ts";
import { SCHEMA_VERSION } from "../../src/store/schema.ts";
import { writeVersion1 } from "./fixture_v1.ts";
import { commitOf, drain, newAlert, PLAIN } from "./helpers.ts";
import { TempDirectory } from "./temp_directory.ts";

test("openState() brings version 1 to the current version and goes on", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  writeVersion1(path);
  {
    using state = openState(path, PLAIN);
    assert.equal(state.recovery, undefined);
    assert.equal(state.agentId, "agent-old");
    assert.equal(state.position("auth"), "p3");
    assert.equal(state.peerPosition("hub"), '{"seq":7}');
    assert.deepEqual(state.pending("hub", 9, 4000).map(({ alert }) => alert.seq), [2]);
    assert.deepEqual(
      state.pending("hub", 9, 5000).map(({ alert, attempts }) => [alert.seq, attempts]),
      [[2, 0], [3, 2]],
    );
    assert.deepEqual(state.pending("log", 9, 0).map(({ alert }) => alert.seq), [3]);
    assert.equal(state.unreportedDeadLetters(9).length, 1);
    state.putDocument("d", "x", 1);
    state.registerSinks([{ id: "hub", filter: {} }], 6000);
    assert.equal(state.commit(commitOf([newAlert("new")], 6000)).added, 1);
    drain(state, "hub", 6000);
    // The loss that version 1 had noted is told now.
    assert.match(state.recentAlerts({ limit: 1 })[0]!.body, /"count":4,/);
  }
  using db = new Database(path);
  assert.equal(db.get("PRAGMA user_version")!["user_version"], SCHEMA_VERSION);
});

test("openState() refuses a newer version clearly and leaves the file as it is", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  openState(path, PLAIN)[Symbol.dispose]();
  {
    using db = new Database(path);
    db.script(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    db.run("UPDATE meta SET value = ? WHERE name = 'schema_version'", String(SCHEMA_VERSION + 1));
  }
  const before = readFileSync(path);
  for (const access of ["owner", "operator", "read"] as const) {
    assert.throws(
      () => openState(path, { ...PLAIN, access }),
      (error) =>
        error instanceof StateError && error.code === "STATE_VERSION" &&
        error.message.includes(`version ${SCHEMA_VERSION + 1}`),
    );
  }
  assert.deepEqual(readFileSync(path), before);
});

test("openState() takes a flipped version number for damage of the header, not for news", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  openState(path, PLAIN)[Symbol.dispose]();
  {
    using db = new Database(path);
    db.script("PRAGMA user_version = 4096");
  }
  using state = openState(path, PLAIN);
  assert.equal(state.recovery, undefined);
});

test("operators are asked to start the agent on an older file", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  writeVersion1(path);
  assert.throws(() => openState(path, { access: "read" }), /start the agent once/);
});
