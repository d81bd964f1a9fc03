import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Agent } from "../../src/agent/agent.ts";
import { loadConfig } from "../../src/agent/config/load.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { StateError } from "../../src/runtime/errors.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import type { EventSource, Sink } from "../../src/runtime/plugin.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { openState } from "../../src/store/open_state.ts";
import { writeEvilRule } from "../support/log_lines.ts";
import { scratch } from "../support/picket.ts";

function oneLine(id: string): EventSource {
  return {
    id,
    kind: "stdin",
    health: () => ({ state: "running" }),
    async *read() {
      const payload = '{"CommandLine":"evil"}';
      yield { events: [{ payload, recordId: "1", origin: id }], position: "1" };
    },
  };
}

for (const way of ["the last source ends", "the agent is told to stop"] as const) {
  test(`alerts wait for a state file that takes nothing when ${way}`, async () => {
    using files = scratch();
    mkdirSync(files.file("rules"));
    writeEvilRule(files.file("rules/evil.yml"));
    const config = {
      rules: { paths: [files.file("rules")] },
      sources: [{ id: "in", type: "stdin", logsource: { product: "linux" } }],
      sinks: [{ id: "out", type: "stdout" }],
      state: { path: files.file("state.db") },
      reload: { watch: false },
    };
    writeFileSync(files.file("picket.yaml"), JSON.stringify(config));
    const loaded = loadConfig({ configPath: files.file("picket.yaml"), env: {} });
    using store = openState(":memory:", {});
    const commit = store.commit.bind(store);
    let failures = 3;
    store.commit = (what) => {
      if (what.alerts.length > 0 && failures-- > 0) throw new StateError("STATE_FULL", "no room");
      return commit(what);
    };
    const got: Alert[] = [];
    const sink: Sink = {
      id: "out",
      kind: "stdout",
      send: (alerts) => {
        got.push(...alerts);
        return Promise.resolve(alerts.map(() => undefined));
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const agent = new Agent({
      loaded,
      reloadConfig: () => loaded,
      store,
      compile: (request) => Promise.resolve(compileRuleSet(request)),
      embeddedRules: undefined,
      metrics: noopMetrics,
      makeSource: ({ id }) => oneLine(id),
      makeSink: () => sink,
    });
    await agent.start();
    if (way === "the last source ends") await agent.finished;
    else {
      while (store.position("in") === undefined && failures === 3) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await agent.stop();
    }
    assert.equal(failures, -1);
    assert.equal(got.length, 1);
    await agent.stop();
  });
}
