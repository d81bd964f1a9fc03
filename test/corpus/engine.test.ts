/**
 * The index against the naive evaluator on real events with SigmaHQ's rules: a few events of each
 * kind in each log, since naive evaluation takes milliseconds an event.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { scalarText } from "../../src/event/value.ts";
import { EvtxFileReader } from "../../src/ingest/evtx_file.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";

const MAX_OF_A_KIND = 1;
/** Without routing every rule is tried on every event, which takes the naive evaluator 0.2 s. */
const UNROUTED_EACH = 16;
const CHANNEL = internField("Channel");
const EVENT_ID = internField("EventID");

function filesUnder(folder: string, ending: string): readonly string[] {
  const root = join(CORPUS, folder);
  return (readdirSync(root, { recursive: true }) as string[])
    .filter((name) => name.endsWith(ending)).map((name) => join(root, name)).sort();
}

/** Compares on the first events of each channel and id. */
class Comparison {
  readonly #pairs: readonly (readonly [RuleEngine, RuleEngine])[];
  readonly #seen = new Map<string, number>();
  compared = 0;
  matched = 0;

  constructor() {
    const { rules } = loadRules([join(CORPUS, "sigma", "rules")]);
    this.#pairs = [true, false].map((logsourceRouting) => [
      new RuleEngine(rules, { logsourceRouting }),
      new RuleEngine(rules, { logsourceRouting, index: false }),
    ]);
  }

  take(event: LogEvent, where: string): void {
    const kind = `${scalarText(event.get(CHANNEL))}/${scalarText(event.get(EVENT_ID))}`;
    const count = this.#seen.get(kind) ?? 0;
    this.#seen.set(kind, count + 1);
    if (count >= MAX_OF_A_KIND) return;
    this.compared++;
    for (const [at, [indexed, naive]] of this.#pairs.entries()) {
      if (at === 1 && this.compared % UNROUTED_EACH !== 0) continue;
      const found = [...indexed.match(event)];
      this.matched += found.length;
      assert.deepEqual(found, [...naive.match(event)], `${where}, ${kind}`);
    }
  }
}

test("index and naive evaluator agree on recorded attacks", skipWithoutCorpus(), () => {
  const comparison = new Comparison();
  for (const file of filesUnder("evtx/attack", ".evtx")) {
    using reader = EvtxFileReader.open(file);
    reader.readChunks(
      0,
      Infinity,
      new EvtxDecoder(),
      (event) => comparison.take(event, file),
      () => {},
    );
  }
  console.log(`${comparison.compared} EVTX events agree, ${comparison.matched} matches`);
  assert.ok(comparison.matched > 0);
});

test("index and naive evaluator agree on collected JSON", skipWithoutCorpus(), () => {
  const comparison = new Comparison();
  for (const file of filesUnder("ndjson", ".ndjson.gz")) {
    let text: string;
    try {
      text = gunzipSync(readFileSync(file)).toString("utf8");
    } catch {
      continue; // A recording that was cut off.
    }
    for (const line of text.split("\n")) {
      if (line.startsWith("{")) comparison.take(decodeJson(line), file);
    }
  }
  console.log(`${comparison.compared} JSON events agree, ${comparison.matched} matches`);
  assert.ok(comparison.matched > 0);
});
