/**
 * What an EVTX record costs: finding where its values are, reading the fields rules ask for most,
 * its JSON as text and as an object. Records a second on one core; the goal for the fields is
 * 400,000.
 *
 * Every round decodes each chunk once with a new decoder, so templates are compiled in each round as
 * they are in a scan of one file, and no string is known from the round before.
 *
 *     bun bench/evtx.bench.ts [--all] [files...]
 *
 * Without files it takes the dense chunks of `../shared/corpus/evtx`, with `--all` every chunk.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ByteBuffer } from "../src/decode/evtx/byte_buffer.ts";
import { isChunk } from "../src/decode/evtx/chunk_header.ts";
import { decodeChunk } from "../src/decode/evtx/decode_chunk.ts";
import { EvtxDecoder } from "../src/decode/evtx/decoder.ts";
import type { EvtxEvent } from "../src/decode/evtx/event.ts";
import { CHUNK_SIZE, FILE_HEADER_SIZE } from "../src/decode/evtx/file_header.ts";
import { JsonTextWriter } from "../src/decode/evtx/json_text.ts";
import { toXml } from "../src/decode/evtx/xml.ts";
import { internField } from "../src/event/field.ts";
import { jsonText } from "../src/event/json_text.ts";

const CORPUS = fileURLToPath(new URL("../../shared/corpus/evtx", import.meta.url));
/** Chunks of logs in use hold about a hundred records; exported samples often a few. */
const DENSE = 50;
const ROUNDS = 15;

const FIELDS = ["EventID", "Channel", "Image", "CommandLine", "ParentImage", "TargetObject"]
  .map(internField);

type Work = (event: EvtxEvent) => void;

interface Case {
  readonly name: string;
  /** The work of one round. */
  start(): Work;
}

const CASES: readonly Case[] = [
  { name: "walk", start: () => () => {} },
  {
    name: "six fields",
    start: () => (event) => {
      for (const field of FIELDS) event.get(field);
    },
  },
  {
    name: "time, channel, event id",
    start: () => (event) => {
      void (event.timestampMs + (event.eventId ?? 0) + (event.channel ?? "").length);
    },
  },
  {
    name: "JSON text from bytes",
    start: () => {
      const writer = new JsonTextWriter();
      const out = new ByteBuffer();
      return (event) => {
        if (out.length > 1 << 20) out.clear();
        writer.append(event, out);
      };
    },
  },
  { name: "toValue()", start: () => (event) => void event.toValue() },
  { name: "toValue() and jsonText()", start: () => (event) => void jsonText(event.toValue()) },
  { name: "XML", start: () => (event) => void toXml(event) },
];

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return path.endsWith(".evtx") ? [path] : [];
  return readdirSync(path).flatMap((name) => filesBelow(`${path}/${name}`));
}

function round(chunks: readonly Uint8Array[], work: Work): number {
  const decoder = new EvtxDecoder();
  let count = 0;
  for (const chunk of chunks) count += decodeChunk(chunk, 0, decoder, work, () => {});
  return count;
}

function check(chunks: readonly Uint8Array[]): void {
  const writer = new JsonTextWriter();
  const out = new ByteBuffer();
  round(chunks, (event) => {
    out.clear();
    writer.append(event, out);
    assert.equal(new TextDecoder().decode(out.written()), jsonText(event.toValue()));
  });
}

const all = process.argv.includes("--all");
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
if (paths.length === 0 && !existsSync(CORPUS)) {
  console.log(`no corpus at ${CORPUS}; name files`);
  process.exit(0);
}
const chunks = (paths.length > 0 ? paths : [CORPUS]).flatMap(filesBelow).flatMap((path) => {
  const bytes = new Uint8Array(readFileSync(path));
  const count = Math.floor((bytes.length - FILE_HEADER_SIZE) / CHUNK_SIZE);
  return Array.from({ length: count }, (_, index) => {
    const from = FILE_HEADER_SIZE + index * CHUNK_SIZE;
    return bytes.slice(from, from + CHUNK_SIZE);
  });
}).filter((chunk) => isChunk(chunk) && (all || round([chunk], () => {}) >= DENSE));

check(chunks);
console.log(`${chunks.length} chunks, ${round(chunks, () => {})} records`);
for (const { name, start } of CASES) {
  let bestMs = Infinity;
  let records = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const work = start();
    const begin = performance.now();
    records = round(chunks, work);
    bestMs = Math.min(bestMs, performance.now() - begin);
  }
  const perSecond = Math.round(records / bestMs) * 1000;
  const nanoseconds = Math.round(bestMs * 1e6 / records);
  console.log(`${name.padEnd(28)}${perSecond.toLocaleString("en")}/s  ${nanoseconds} ns`);
}
