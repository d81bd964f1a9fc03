/**
 * One part of the input through the engine: events in, hits and counts out.
 */
import { createReadStream } from "node:fs";
import process from "node:process";
import type { Readable } from "node:stream";
import { DecodeError } from "../../src/decode/errors.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { JsonStream } from "../../src/decode/json_stream.ts";
import { LineSplitter } from "../../src/decode/line_splitter.ts";
import type { EvtxEvent } from "../../src/decode/evtx/event.ts";
import type { RuleEngine } from "../../src/engine/engine.ts";
import type { DetectionResult } from "../../src/engine/result.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { eventComputer, eventTimestamp } from "../../src/event/facts.ts";
import { TIMESTAMP_FIELDS } from "../../src/event/timestamp.ts";
import { scalarText } from "../../src/event/value.ts";
import { gunzipBlocks, isGzip, readBlocks, readGzipBlocks } from "../../src/ingest/blocks.ts";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import type { EvtxProblem } from "../../src/decode/evtx/errors.ts";
import { CHUNK_SIZE, FILE_HEADER_SIZE, isEvtx } from "../../src/decode/evtx/file_header.ts";
import { EvtxFileReader, readEvtxStream } from "../../src/ingest/evtx_file.ts";
import { OutputError } from "../io.ts";
import type { HitSorter } from "./hit_sorter.ts";
import { jsonKind } from "./inputs.ts";
import {
  countComputer,
  countError,
  type ScanCounts,
  type ScanSettings,
  type ScanUnit,
} from "./types.ts";

const FIRST_TIME_FIELD = internField(TIMESTAMP_FIELDS[0]!);
const CHANNEL_FIELD = internField("Channel");
/** Chunks between two looks at the clock and at Ctrl-C: 1 MiB. */
const MAX_CHUNKS_PER_STEP = 16;
/** Bytes of JSON between two looks. */
const MIN_BYTES_PER_STEP = 8 << 10;
const MAX_BYTES_PER_STEP = 1 << 20;
/** A step that took longer makes the next ones shorter. */
const STEP_MS = 50;
/** How much of stdin decides whether it is one event a line. */
const JSON_HEAD_BYTES = 4096;
/** A UTF-8 byte order mark, as Windows tools like to write. */
const BOM = "\uFEFF";

/** Where an event came from, as results carry it under `source`. */
interface EventPlace {
  readonly time: number;
  readonly timestamp: string | undefined;
  readonly channel: string | undefined;
  readonly computer: string | undefined;
}

/** Scans units one after another with one engine. */
export class UnitScanner {
  readonly #engine: RuleEngine;
  readonly #settings: ScanSettings;
  readonly #counts: ScanCounts;
  readonly #sorter: HitSorter;
  readonly #timed: boolean;
  readonly #decoder = new EvtxDecoder();
  #earliest = "";
  #latest = "";

  constructor(
    engine: RuleEngine,
    settings: ScanSettings,
    counts: ScanCounts,
    sorter: HitSorter,
  ) {
    this.#engine = engine;
    this.#settings = settings;
    this.#counts = counts;
    this.#sorter = sorter;
    this.#timed = settings.since !== undefined || settings.until !== undefined;
  }

  /**
   * What is found before `signal` breaks the unit off is kept.
   *
   * @returns How many lines the unit has, so that lines of later units can be numbered.
   * @throws {OutputError} If hits could not be written to a temporary file.
   */
  async scan(unit: ScanUnit, signal: AbortSignal, tick: () => void): Promise<number> {
    const { file } = unit;
    try {
      if (file.kind === "evtx") {
        await this.#scanEvtx(unit, signal, tick);
        return 0;
      }
      if (file.kind === "stream") return await this.#scanStream(unit, signal, tick);
      const blocks = file.gzip
        ? readGzipBlocks(file.path, (bytes) => this.#counts.bytes += bytes, signal)
        : counting(
          readBlocks(file.path, unit.from, unit.to, file.kind === "json" ? signal : undefined),
          this.#counts,
        );
      return await this.#scanJson(unit, file.kind, blocks, tick, signal);
    } catch (error) {
      if (error instanceof OutputError) throw error;
      if (signal.aborted) return 0;
      const message = error instanceof Error ? error.message : String(error);
      countError(this.#counts, "unreadable file", file.path, "", message);
      return 0;
    }
  }

  async #scanEvtx(unit: ScanUnit, signal: AbortSignal, tick: () => void): Promise<void> {
    const { file } = unit;
    if (file.gzip) {
      const blocks = readGzipBlocks(file.path, (bytes) => this.#counts.bytes += bytes, signal);
      await this.#scanEvtxStream(unit, blocks, tick);
      return;
    }
    using reader = EvtxFileReader.open(file.path);
    const end = Math.min(reader.chunkCount, chunkNumber(unit.to));
    const pace = new Pace(1, MAX_CHUNKS_PER_STEP);
    for (let at = chunkNumber(unit.from), to = at; at < end; at = to) {
      to = Math.min(end, at + pace.step());
      reader.readChunks(at, to, this.#decoder, this.#onEvtx(unit), this.#onProblem(file.path));
      this.#counts.bytes += (to - at) * CHUNK_SIZE;
      tick();
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (signal.aborted) return;
    }
  }

  async #scanEvtxStream(
    unit: ScanUnit,
    blocks: AsyncIterable<Uint8Array>,
    tick: () => void,
  ): Promise<void> {
    const ticking = async function* (): AsyncIterable<Uint8Array> {
      for await (const block of blocks) {
        yield block;
        tick();
      }
    };
    const onProblem = this.#onProblem(unit.file.path);
    await readEvtxStream(ticking(), this.#decoder, this.#onEvtx(unit), onProblem);
  }

  #onEvtx(unit: ScanUnit): (event: EvtxEvent) => void {
    return (event) => this.#evtxEvent(event, unit);
  }

  #onProblem(path: string): (problem: EvtxProblem) => void {
    return ({ reason, message, offset }) =>
      countError(this.#counts, `EVTX ${reason}`, path, `byte ${offset}`, message);
  }

  #evtxEvent(event: EvtxEvent, unit: ScanUnit): void {
    const time = event.timestampMs;
    if (!this.#evaluates(time)) return;
    const results = this.#engine.evaluate(event);
    if (results.length === 0) return;
    const place: EventPlace = {
      time: time + event.timestampRemainder / 10_000,
      timestamp: event.timestampText,
      channel: event.channel,
      computer: event.computer,
    };
    this.#hit(results, unit, Number(event.recordId), 0, String(event.recordId), place);
  }

  /** What a stream holds is known when its first bytes have come. */
  async #scanStream(unit: ScanUnit, signal: AbortSignal, tick: () => void): Promise<number> {
    const { path } = unit.file;
    const stream = path === "-" ? process.stdin : createReadStream(path);
    const [head, blocks] = await peek(counting(streamBlocks(stream, signal), this.#counts));
    const unpacked = isGzip(head) ? gunzipBlocks(blocks) : blocks;
    const [first, rest] = isGzip(head) ? await peek(unpacked) : [head, unpacked] as const;
    if (isEvtx(first)) {
      await this.#scanEvtxStream(unit, rest, tick);
      return 0;
    }
    const kind = jsonKind(first.subarray(0, JSON_HEAD_BYTES));
    return await this.#scanJson(unit, kind, rest, tick, signal);
  }

  async #scanJson(
    unit: ScanUnit,
    kind: "lines" | "json",
    blocks: AsyncIterable<Uint8Array>,
    tick: () => void,
    signal: AbortSignal,
  ): Promise<number> {
    const { file } = unit;
    const counts = this.#counts;
    let lines = 0;
    let replaced = 0;
    const onText = (text: string, offset: number): void => {
      lines++;
      // Lines are counted to the end of a unit, because other threads' line numbers follow on them.
      if (signal.aborted) return;
      if (lines === 1 && text.startsWith(BOM)) text = text.slice(1);
      if (text === "" || text.trim() === "") return;
      if (replaced === 0 && text.includes("\uFFFD")) replaced = lines;
      this.#jsonEvent(text, offset, lines, unit);
    };
    const push = kind === "json"
      ? jsonPusher(
        onText,
        (message, offset) =>
          countError(counts, "not JSON", file.path, `character ${offset}`, message),
      )
      : linePusher(unit.from, onText, (offset, bytes) =>
        countError(
          counts,
          "line too long",
          file.path,
          `byte ${offset}`,
          `a line of ${bytes} bytes was skipped`,
        ));
    const pace = new Pace(MIN_BYTES_PER_STEP, MAX_BYTES_PER_STEP);
    for await (const block of blocks) {
      for (let at = 0, to = 0; at < block.length; at = to) {
        to = at + pace.step();
        push.block(block.subarray(at, to));
        if (pace.isSlow()) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      tick();
    }
    push.end();
    if (replaced > 0) {
      countError(
        counts,
        "invalid UTF-8 or replacement characters (evaluated all the same)",
        file.path,
        `event ${replaced}`,
        "bytes that are not UTF-8 were read as U+FFFD",
      );
    }
    return lines;
  }

  #jsonEvent(text: string, offset: number, line: number, unit: ScanUnit): void {
    const counts = this.#counts;
    let event: LogEvent;
    try {
      event = decodeJson(text);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      countError(counts, "not a JSON event", unit.file.path, `line ${line}`, error.message);
      return;
    }
    if (!this.#timed) this.#noteTime(event);
    if (!this.#evaluates(this.#timed ? eventTimestamp(event)[0] : undefined)) return;
    const results = this.#engine.evaluate(event);
    if (results.length === 0) return;
    const [when, timestamp] = eventTimestamp(event);
    this.#hit(results, unit, offset, line, undefined, {
      time: when ?? Infinity,
      timestamp,
      channel: scalarText(event.get(CHANNEL_FIELD)),
      computer: eventComputer(event),
    });
  }

  /**
   * Keeps the first and last time. Texts in UTC of one length sort as their instants do, so only
   * those that widen the range are parsed.
   */
  #noteTime(event: LogEvent): void {
    const text = event.get(FIRST_TIME_FIELD);
    if (typeof text === "string" && text.length === this.#earliest.length && text.endsWith("Z")) {
      if (text >= this.#earliest && text <= this.#latest) return;
    }
    const [time] = eventTimestamp(event);
    if (time === undefined) return;
    const counts = this.#counts;
    counts.firstTime = Math.min(counts.firstTime, time);
    counts.lastTime = Math.max(counts.lastTime, time);
    if (typeof text !== "string" || !text.endsWith("Z")) return;
    const fresh = text.length !== this.#earliest.length;
    if (fresh || text < this.#earliest) this.#earliest = text;
    if (fresh || text > this.#latest) this.#latest = text;
  }

  /** Counts an event and says whether its time is asked for. */
  #evaluates(time: number | undefined): boolean {
    const counts = this.#counts;
    counts.events++;
    if (time !== undefined) {
      if (time < counts.firstTime) counts.firstTime = time;
      if (time > counts.lastTime) counts.lastTime = time;
    }
    if (this.#timed) {
      const { since, until } = this.#settings;
      if (time === undefined) return false;
      if (since !== undefined && time < since) return false;
      if (until !== undefined && time > until) return false;
    }
    counts.eventsEvaluated++;
    return true;
  }

  #hit(
    results: readonly DetectionResult[],
    unit: ScanUnit,
    position: number,
    line: number,
    recordId: string | undefined,
    place: EventPlace,
  ): void {
    const counts = this.#counts;
    counts.eventsWithHits++;
    counts.matches += results.length;
    if (Number.isFinite(place.time)) {
      counts.firstTime = Math.min(counts.firstTime, place.time);
      counts.lastTime = Math.max(counts.lastTime, place.time);
    }
    if (place.computer !== undefined) countComputer(counts, place.computer, results.length);
    const tail = `,"channel":${jsonText(place.channel ?? null)}` +
      `,"computer":${jsonText(place.computer ?? null)}` +
      `,"timestamp":${jsonText(place.timestamp ?? null)}}}`;
    const matched = this.#engine.lastMatched;
    for (const [at, result] of results.entries()) {
      const rule = matched[at]!;
      counts.byRule.set(rule, (counts.byRule.get(rule) ?? 0) + 1);
      const body = jsonText(result).slice(0, -1);
      this.#sorter.add({
        time: place.time,
        file: unit.fileNumber,
        position,
        rule,
        unit: unit.number,
        line,
        head: `${body},"source":{"path":${jsonText(unit.file.path)},"record_id":${recordId ?? ""}`,
        tail,
      });
    }
  }
}

/** How much to do before Ctrl-C and other messages get their turn, whatever the rules cost. */
class Pace {
  readonly #least: number;
  readonly #most: number;
  #step: number;
  #startedAt = 0;

  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
    this.#step = least;
  }

  /** The size of the step that begins now. */
  step(): number {
    const now = performance.now();
    if (this.#startedAt > 0) {
      const isSlow = now - this.#startedAt > STEP_MS;
      this.#step = isSlow
        ? Math.max(this.#least, this.#step >> 1)
        : Math.min(this.#most, this.#step << 1);
    }
    this.#startedAt = now;
    return this.#step;
  }

  /** Whether the step that ends now took long. */
  isSlow(): boolean {
    return performance.now() - this.#startedAt > STEP_MS;
  }
}

interface BlockPusher {
  block(block: Uint8Array): void;
  end(): void;
}

function linePusher(
  from: number,
  line: (text: string, offset: number) => void,
  tooLong: (offset: number, bytes: number) => void,
): BlockPusher {
  const splitter = new LineSplitter({ line, tooLong }, from);
  return { block: (block) => splitter.push(block), end: () => splitter.end() };
}

function jsonPusher(
  value: (text: string, offset: number) => void,
  problem: (message: string, offset: number) => void,
): BlockPusher {
  const stream = new JsonStream({ value, problem });
  const decoder = new TextDecoder();
  return {
    block: (block) => stream.push(decoder.decode(block, { stream: true })),
    end: () => {
      stream.push(decoder.decode());
      stream.end();
    },
  };
}

async function* streamBlocks(stream: Readable, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const blocks = stream[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = await abortable(blocks.next(), signal);
      if (next.done === true) return;
      yield next.value as Uint8Array;
    }
  } finally {
    stream.destroy();
  }
}

/** A silent stream, or a pipe that nobody has opened for writing, must be given up as well. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

async function* counting(
  blocks: AsyncIterable<Uint8Array>,
  counts: ScanCounts,
): AsyncIterable<Uint8Array> {
  for await (const block of blocks) {
    counts.bytes += block.length;
    yield block;
  }
}

/** The first block, and a stream that begins with it. */
async function peek(
  blocks: AsyncIterable<Uint8Array>,
): Promise<readonly [Uint8Array, AsyncIterable<Uint8Array>]> {
  const iterator = blocks[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? new Uint8Array() : first.value;
  const all = async function* (): AsyncIterable<Uint8Array> {
    if (first.done === true) return;
    yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield next.value;
    }
  };
  return [head, all()];
}

/** The chunk of an EVTX file that begins at a byte offset. */
function chunkNumber(offset: number): number {
  return Math.max(0, Math.ceil((offset - FILE_HEADER_SIZE) / CHUNK_SIZE));
}
