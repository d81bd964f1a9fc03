/**
 * Compares our EVTX decoder with independent ones, record by record and value by value.
 *
 *     bun test/corpus/compare_evtx.ts [--evtx-dump PROGRAM] [--evtxexport PROGRAM]
 *         [--python PROGRAM] [--cache FOLDER] [files and folders...]
 *
 * Without paths it takes the EVTX files of `../shared/corpus`. A `.json` file of the same name beside
 * an EVTX file is one more peer. `--generated COUNT` compares files of our own writer instead, which
 * says whether others read what it writes. It prints Markdown tables: what was compared, each kind of
 * difference with its reason, and every difference without one. Exit 1 if there are any of those.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { ByteBuffer } from "../../src/decode/evtx/byte_buffer.ts";
import { JsonTextWriter } from "../../src/decode/evtx/json_text.ts";
import { toXml } from "../../src/decode/evtx/xml.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { windowsEvent } from "../arbitraries/evtx.ts";
import { eventRecord } from "../support/evtx_event.ts";
import { oneChunk } from "../support/evtx_writer.ts";
import { decodeEvtx } from "../support/evtx_decode.ts";
import { explain, type PeerName } from "./evtx_differences.ts";
import { findPeers, runPeer } from "./evtx_peers.ts";
import { leaves, projectXml } from "./evtx_projection.ts";
import { companionRecords, expandStringArrays, type Theirs } from "./evtx_records.ts";
import {
  explainByContext,
  explainExtra,
  explainMissing,
  type OurFile,
  type OurRecord,
} from "./evtx_record_sets.ts";
import { outermost } from "./evtx_xml.ts";

const CORPUS = fileURLToPath(new URL("../../../shared/corpus/", import.meta.url));
const DEFAULT_PATHS = ["evtx/parser", "evtx/attack", "regression"].map((path) =>
  join(CORPUS, path)
);
const MAX_PRINTED = 40;

/** What became of one peer over all files. */
class Tally {
  files = 0;
  records = 0;
  identical = 0;
  /** Identical to what `toXml` writes. */
  identicalXml = 0;
  /** Equal but for differences that have a reason. */
  equivalent = 0;
  readonly kinds = new Map<string, { count: number; why: string }>();
  readonly unexplained: string[] = [];

  add(kind: string, why: string): void {
    const entry = this.kinds.get(kind) ?? { count: 0, why };
    entry.count++;
    this.kinds.set(kind, entry);
  }
}

const json = new ByteBuffer();
const encoder = new TextEncoder();
const wrongJson: string[] = [];

function decodeOurs(path: string): OurFile {
  const bytes = readFileSync(path);
  const xml: ReadonlyMap<string, string>[] = [];
  const writer = new JsonTextWriter();
  const { records, problems } = decodeEvtx(bytes, {}, (event) => {
    const [root] = outermost(toXml(event), "Event");
    xml.push(root === undefined ? new Map() : leaves(projectXml(root)));
    json.clear();
    writer.append(event, json);
    const text = new TextDecoder().decode(json.written());
    const expected = new TextDecoder().decode(encoder.encode(jsonText(event.toValue())));
    if (text !== expected) wrongJson.push(`${basename(path)}: record ${event.recordId}`);
  });
  return {
    bytes,
    problems,
    records: records.map(({ id, offset, chunkOffset, value }, at) => {
      const empty: string[] = [];
      const own = leaves(value, empty);
      return {
        id: own.get("Event.System.EventRecordID") ?? String(id),
        headerId: String(id),
        offset,
        chunkOffset,
        leaves: own,
        empty,
        xml: xml[at]!,
      };
    }),
  };
}

/** Lays the records of one id beside each other in file order; `undefined` where one side lacks it. */
function* pairs(ours: readonly OurRecord[], theirs: readonly Theirs[]) {
  const waiting = new Map<string, Theirs[]>();
  for (const record of theirs) {
    const row = waiting.get(record.id);
    if (row === undefined) waiting.set(record.id, [record]);
    else row.push(record);
  }
  for (const record of ours) yield [record, waiting.get(record.id)?.shift()] as const;
  for (const row of waiting.values()) for (const record of row) yield [undefined, record] as const;
}

function compareFile(
  name: string,
  peer: PeerName,
  ours: OurFile,
  theirs: readonly Theirs[],
  verdict: Parameters<typeof explainMissing>[2],
  tally: Tally,
): void {
  tally.files++;
  for (const [mine, other] of pairs(ours.records, theirs)) {
    if (mine === undefined) {
      const kind = explainExtra(ours, other);
      if (kind === undefined) tally.unexplained.push(`${name}: only they have record ${other.id}`);
      else tally.add(kind.name, kind.why);
    } else if (other === undefined) {
      const kind = explainMissing(ours, mine, verdict, peer);
      if (kind === undefined) tally.unexplained.push(`${name}: only we have record ${mine.id}`);
      else tally.add(kind.name, kind.why);
    } else {
      compareRecord(`${name}: record ${mine.id}`, peer, mine, other, tally);
    }
  }
}

function compareRecord(
  name: string,
  peer: PeerName,
  mine: OurRecord,
  other: Theirs,
  tally: Tally,
): void {
  tally.records++;
  if (
    mine.xml.size === other.leaves.size &&
    [...mine.xml].every(([k, v]) => other.leaves.get(k) === v)
  ) {
    tally.identicalXml++;
  }
  let explained = 0;
  let unexplained = 0;
  for (const path of new Set([...mine.leaves.keys(), ...other.leaves.keys()])) {
    // A leaf that one side lacks is empty there: XML cannot tell the two apart.
    const a = mine.leaves.get(path) ?? "";
    const b = other.leaves.get(path) ?? "";
    if (a === b) continue;
    const kind = explain(peer, a, b, path) ?? explainByContext(peer, mine, path);
    if (kind === undefined) {
      unexplained++;
      tally.unexplained.push(`${name}: ${path}: ${shown(a)} / ${shown(b)}`);
    } else {
      explained++;
      tally.add(kind.name, kind.why);
    }
  }
  if (unexplained > 0) return;
  if (explained > 0) tally.equivalent++;
  else tally.identical++;
}

function shown(text: string): string {
  const json = JSON.stringify(text);
  return json.length > 160 ? `${json.slice(0, 160)}… (${text.length})` : json;
}

/** A new folder of files with one arbitrary event each, the same for every run. */
function generate(count: number): string {
  const folder = mkdtempSync(join(tmpdir(), "evtx-"));
  fc.sample(windowsEvent, { seed: 1, numRuns: count }).forEach(({ spec, style }, at) => {
    const { bytes } = oneChunk([eventRecord(spec, 0n, style)]);
    writeFileSync(join(folder, `generated_${at}.evtx`), bytes);
  });
  return folder;
}

async function evtxFiles(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) console.log(`Skipped: ${basename(path)} is not there`);
    else if (!statSync(path).isDirectory()) found.push(path);
    else {
      for (const name of await readdir(path, { recursive: true })) {
        if (name.endsWith(".evtx")) found.push(join(path, name));
      }
    }
  }
  return found.sort();
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "evtx-dump": { type: "string" },
      "evtxexport": { type: "string" },
      "python": { type: "string" },
      "cache": { type: "string" },
      "generated": { type: "string" },
    },
  });
  const { cache, generated, ...given } = values;
  const { peers, absent } = findPeers(given);
  for (const name of absent) console.log(`Skipped: ${name} is absent`);
  const paths = generated !== undefined
    ? [generate(Number(generated))]
    : positionals.length > 0
    ? positionals
    : DEFAULT_PATHS;
  const files = await evtxFiles(paths);
  const tallies = new Map<string, Tally>();
  const tallyOf = (name: string) => {
    const tally = tallies.get(name) ?? new Tally();
    tallies.set(name, tally);
    return tally;
  };
  let records = 0;
  for (const file of files) {
    const name = basename(file);
    const ours = decodeOurs(file);
    records += ours.records.length;
    for (const peer of peers) {
      const output = runPeer(peer, file, cache);
      const theirs = Array.from(outermost(output.xml, "Event"), (element) => {
        const value: Value = projectXml(expandStringArrays(element));
        const own = leaves(value);
        return { id: own.get("Event.System.EventRecordID") ?? "", leaves: own };
      });
      compareFile(name, peer.name, ours, theirs, output, tallyOf(peer.name));
    }
    const companion = file.replace(/\.evtx$/, ".json");
    if (existsSync(companion)) {
      const theirs = companionRecords(readFileSync(companion, "utf8"));
      compareFile(
        name,
        "companion",
        ours,
        theirs,
        { complaints: [], gaveUp: false },
        tallyOf("companion"),
      );
    }
  }
  if (generated !== undefined) rmSync(paths[0]!, { recursive: true });
  report(files.length, records, tallies);
  return wrongJson.length > 0 ||
      [...tallies.values()].some(({ unexplained }) => unexplained.length > 0)
    ? 1
    : 0;
}

function report(files: number, records: number, tallies: ReadonlyMap<string, Tally>): void {
  console.log(`\nPicket: ${files} files, ${records} records`);
  console.log(`JSON text unlike the projection: ${wrongJson.length} ${wrongJson.slice(0, 5)}\n`);
  console.log(
    "| peer | files | records in both | identical as JSON | identical as XML | equal but for spelling | unexplained |",
  );
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const [name, tally] of tallies) {
    const { files, records, identical, identicalXml, equivalent, unexplained } = tally;
    console.log(
      `| ${name} | ${files} | ${records} | ${identical} | ${identicalXml} | ${equivalent} | ${unexplained.length} |`,
    );
  }
  console.log("\n| peer | kind of difference | count | why |\n| --- | --- | ---: | --- |");
  for (const [name, { kinds }] of tallies) {
    for (const [kind, { count, why }] of kinds) {
      console.log(`| ${name} | ${kind} | ${count} | ${why} |`);
    }
  }
  for (const [name, { unexplained }] of tallies) {
    if (unexplained.length === 0) continue;
    console.log(`\n${name}: ${unexplained.length} unexplained\n`);
    const alike = new Map<string, number>();
    let printed = 0;
    for (const line of unexplained) {
      // A few of each kind tell more than many of the first.
      const kind = line.replace(/record \S+ /, "").replace(/\d+/g, "#").slice(0, 60);
      const count = (alike.get(kind) ?? 0) + 1;
      alike.set(kind, count);
      if (count <= 2 && ++printed <= MAX_PRINTED) console.log(`- ${line}`);
    }
  }
}

if (import.meta.main) process.exitCode = await main();
