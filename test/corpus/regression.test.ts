/**
 * SigmaHQ's regression data: each recorded attack fires the rule it was recorded for, with the whole
 * rule set loaded, from the EVTX file and from its JSON companion alike (quality row R10).
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { decodeJson } from "../../src/decode/json.ts";
import { JsonStream } from "../../src/decode/json_stream.ts";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { EvtxFileReader } from "../../src/ingest/evtx_file.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";

const RULE_SETS = ["rules", "rules-emerging-threats", "rules-threat-hunting"];

interface Info {
  readonly rule_metadata: readonly { readonly id: string; readonly title: string }[];
  readonly regression_tests_info?: readonly {
    readonly type: string;
    readonly path: string;
    readonly match_count?: number;
  }[];
}

function infoFiles(): string[] {
  const root = join(CORPUS, "regression");
  return (readdirSync(root, { recursive: true }) as string[])
    .filter((name) => basename(name) === "info.yml").map((name) => join(root, name)).sort();
}

function jsonEvents(path: string): LogEvent[] {
  const events: LogEvent[] = [];
  const problems: string[] = [];
  const stream = new JsonStream({
    value: (text) => events.push(decodeJson(text)),
    problem: (message) => problems.push(message),
  });
  stream.push(readFileSync(path, "utf8"));
  stream.end();
  assert.deepEqual(problems, [], path);
  return events;
}

test("every regression recording fires its rule", skipWithoutCorpus(), () => {
  const { rules } = loadRules(RULE_SETS.map((name) => join(CORPUS, "sigma", name)));
  const engine = new RuleEngine(rules);
  const naive = new RuleEngine(rules, { index: false });
  let recordings = 0;
  for (const file of infoFiles()) {
    const info = parse(readFileSync(file, "utf8")) as Info;
    const { id, title } = info.rule_metadata[0]!;
    for (const { type, path, match_count: wanted = 1 } of info.regression_tests_info ?? []) {
      assert.equal(type, "evtx");
      const evtx = join(dirname(file), basename(path));
      if (!existsSync(evtx)) continue;
      recordings++;
      let found = 0;
      using reader = EvtxFileReader.open(evtx);
      reader.readChunks(0, Infinity, new EvtxDecoder(), (event) => {
        const matched = [...engine.match(event)];
        assert.deepEqual(matched, [...naive.match(event)], `indexed = naive on ${evtx}`);
        found += matched.filter((rule) => rules[rule]!.id === id).length;
      }, () => {});
      assert.ok(found >= wanted, `${title}: ${found} of ${wanted} matches in ${evtx}`);

      const json = evtx.replace(/\.evtx$/, ".json");
      if (!existsSync(json)) continue;
      const inJson = jsonEvents(json)
        .filter((event) => engine.match(event).some((rule) => rules[rule]!.id === id)).length;
      assert.ok(inJson >= wanted, `${title}: ${inJson} of ${wanted} matches in ${json}`);
    }
  }
  assert.ok(recordings > 50, `${recordings} recordings were found`);
  console.log(`${recordings} recordings fire their rule`);
});
