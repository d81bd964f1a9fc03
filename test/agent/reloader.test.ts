import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { startAgent } from "../../src/agent/compose.ts";
import { loadConfig } from "../../src/agent/config/load.ts";
import { LiveView } from "../../src/agent/view.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { type Scratch, scratch } from "../support/picket.ts";

function writeRule(files: Scratch, title: string, directory = "rules"): void {
  mkdirSync(files.file(directory), { recursive: true });
  writeFileSync(
    files.file(`${directory}/rule.yml`),
    `title: ${title}\nid: r\nlevel: high\nlogsource: {product: linux}\ndetection:\n` +
      "  selection: {a: b}\n  condition: selection\n",
  );
}

/** Starts an agent without an API; its configuration is `more` and what it needs to run. */
async function agentIn(files: Scratch, more: () => Readonly<Record<string, unknown>>) {
  writeRule(files, "First");
  const load = () => {
    const config = {
      rules: { paths: [files.file("rules")] },
      reload: { watch: false },
      sources: [{ id: "app", type: "file", paths: [files.file("app.log")] }],
      sinks: [{ id: "out", type: "file", path: files.file("out.ndjson") }],
      state: { path: files.file("state/state.db") },
      api: { enabled: false },
      ...more(),
    };
    writeFileSync(files.file("picket.yaml"), JSON.stringify(config));
    return loadConfig({ configPath: files.file("picket.yaml"), env: {} });
  };
  const { agent, stop } = await startAgent({
    loaded: load(),
    reloadConfig: load,
    compile: (request) => Promise.resolve(compileRuleSet(request)),
    embeddedRules: undefined,
    version: "test",
    commit: null,
    runtime: "test",
    setLogLevel() {},
  });
  const view = new LiveView(agent, {
    version: "test",
    commit: null,
    runtime: "test",
    config: () => ({ config: {}, origins: {} }),
    logLevel: () => ({ level: "info", configured: "info", reverts: null }),
    setLogLevel: (level) => ({ level, configured: "info", reverts: null }),
    ingest: () => Promise.resolve({ kind: "disabled" }),
    audit: undefined,
  });
  return {
    view,
    agent,
    titles: () => agent.rules.rules.map(({ title }) => title),
    sinks: () => agent.sinks.sinks.map(({ id }) => id),
    sources: () => agent.sources.runners.map(({ source }) => source.id),
    [Symbol.asyncDispose]: stop,
  };
}

const BROKEN_PARTS = [
  ["a webhook file", (files: Scratch) => ({ webhooks: [files.file("hooks.yml")] }), /hooks\.yml/],
  [
    "the key of bundles",
    (files: Scratch) => ({ rules: { paths: [files.file("rules")], bundle_key: "/nowhere" } }),
    /nowhere/,
  ],
  [
    "a webhook that has the id of a sink",
    (files: Scratch) => {
      const webhook = { id: "out", kind: "detection", url: "https://hub/", body: "{}" };
      writeFileSync(files.file("twice.yml"), JSON.stringify({ webhooks: [webhook] }));
      return { webhooks: [files.file("twice.yml")] };
    },
    /two sinks have the id 'out'/,
  ],
  [
    "the template of a sink",
    () => ({ sinks: [{ id: "new", type: "http", url: "https://hub/${alert.nothing}" }] }),
    /nothing/,
  ],
] as const;

for (const [part, broken, reason] of BROKEN_PARTS) {
  test(`a reload with an error in ${part} changes nothing, not even rules`, async () => {
    using files = scratch();
    writeFileSync(files.file("hooks.yml"), "webhooks: [{id: x}]");
    let isBroken = false;
    await using it = await agentIn(files, () => isBroken ? broken(files) : {});
    writeRule(files, "Second");
    isBroken = true;
    for (const dryRun of [true, false]) {
      const { ok, components } = await it.agent.reloader.reload("api", dryRun);
      assert.equal(ok, false, `dry run ${dryRun}`);
      const failure = components.find(({ outcome }) => outcome === "failed");
      assert.equal(failure?.name, "config");
      assert.match(failure.message ?? "", reason);
      assert.deepEqual(it.titles(), ["First"]);
      assert.deepEqual([it.sources(), it.sinks()], [["app"], ["out"]]);
    }
    isBroken = false;
    assert.equal((await it.agent.reloader.reload("api", false)).ok, true);
    assert.deepEqual(it.titles(), ["Second"]);
  });
}

test("rules are watched where the configuration of now has them", async () => {
  using files = scratch();
  let directory = "rules";
  await using it = await agentIn(files, () => ({
    rules: { paths: [files.file(directory)] },
    reload: { watch: true, debounce: "20ms", poll_interval: "0s" },
  }));
  directory = "others";
  mkdirSync(files.file("others"));
  writeRule(files, "Early", "others");
  assert.equal((await it.agent.reloader.reload("api", false)).ok, true);
  assert.deepEqual(it.titles(), ["Early"]);
  await new Promise((resolve) => setTimeout(resolve, 300)); // Until the new watch stands.
  writeRule(files, "Late", "others");
  const deadline = performance.now() + 5000;
  while (!it.titles().includes("Late")) {
    assert.ok(performance.now() < deadline, "the watcher has seen the file");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test("a state that is in memory only is told as degraded", async () => {
  using files = scratch();
  writeFileSync(files.file("no_directory"), "");
  await using it = await agentIn(files, () => ({
    state: { path: files.file("no_directory/state.db"), required: false },
  }));
  const [degraded] = it.view.readiness().degraded;
  assert.equal(degraded?.code, "state_in_memory");
  assert.match(degraded.message, /no_directory/);
});

test("a reload names the sections that only a restart puts into service", async () => {
  using files = scratch();
  let more = {};
  await using it = await agentIn(files, () => more);
  more = { log: { level: "debug" }, tail: { enabled: false } };
  const { ok, components } = await it.agent.reloader.reload("api", false);
  assert.equal(ok, true);
  const restart = components.find(({ outcome }) => outcome === "needs_restart");
  assert.equal(restart?.message, "tail");
});

test("a reload that rules keep from happening leaves sources and sinks as they are", async () => {
  using files = scratch();
  let more = {};
  await using it = await agentIn(files, () => more);
  more = {
    sinks: [{ id: "new", type: "file", path: files.file("new.ndjson") }],
    sources: [{ id: "other", type: "file", paths: [files.file("other.log")] }],
  };
  writeFileSync(files.file("rules/broken.yml"), "title: [");
  const { ok, components } = await it.agent.reloader.reload("api", false);
  assert.equal(ok, false);
  assert.deepEqual(components.map(({ name, outcome }) => [name, outcome]), [
    ["rules", "failed"],
    ["inputs", "skipped"],
  ]);
  assert.deepEqual([it.sources(), it.sinks()], [["app"], ["out"]]);
  writeFileSync(files.file("rules/broken.yml"), "");
  assert.equal((await it.agent.reloader.reload("api", false)).ok, true);
  assert.deepEqual([it.sources(), it.sinks()], [["other"], ["new"]]);
});
