/**
 * One part of the input through the engine: events in, hits and counts out.
 */
import { createReadStream } from "node:fs";
import process from "node:process";
import type { Readable } from "node:stream";
import type { EvtxEvent } from "../../src/decode/evtx/event.ts";
import type { EventEvaluator } from "../../src/engine/engine.ts";
import type { DetectionResult } from "../../src/engine/result.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { eventComputer, eventTimestamp } from "../../src/event/facts.ts";
import { TIMESTAMP_FIELDS } from "../../src/event/timestamp.ts";
import type { FieldObserver } from "../../src/schema/field_observer.ts";
import { packingIn, readBlocks, readPackedBlocks, unpackBlocks } from "../../src/ingest/blocks.ts";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import type { EvtxProblem } from "../../src/decode/evtx/errors.ts";
import { CHUNK_SIZE, FILE_HEADER_SIZE, isEvtx } from "../../src/decode/evtx/file_header.ts";
import { EvtxFileReader, readEvtxStream } from "../../src/ingest/evtx_file.ts";
import { OutputError } from "../io.ts";
import type { HitSorter } from "./hit_sorter.ts";
import type { InputReading } from "../commands/input_options.ts";
import { HEAD_BYTES, type TextForm, textForm } from "../text_form.ts";
import {
  type TextPlace,
  type TextProblemReason,
  TextReader,
  type TextSink,
} from "../text_reader.ts";
import { eventChannel, eventMessage, formatOf, jsonMessage } from "./event_facts.ts";
import {
  countComputer,
  countError,
  countFormat,
  countUnparseable,
  type ScanCounts,
  type ScanSettings,
  type ScanUnit,
} from "./types.ts";

const FIRST_TIME_FIELD = internField(TIMESTAMP_FIELDS[0]!);
/** Chunks between two looks at the clock and at Ctrl-C: 1 MiB. */
const MAX_CHUNKS_PER_STEP = 16;
/** Bytes of JSON between two looks. */
const MIN_BYTES_PER_STEP = 8 << 10;
const MAX_BYTES_PER_STEP = 1 << 20;
/** A step that took longer makes the next ones shorter. */
const STEP_MS = 50;

/** Where an event came from, as results carry it under `source`. */
interface EventPlace {
  readonly time: number;
  readonly timestamp: string | undefined;
  readonly channel: string | undefined;
  readonly computer: string | undefined;
  /** Of an event that is no JSON and no EVTX. */
  readonly message?: string | undefined;
}

/** Scans units one after another with one engine. */
export class UnitScanner {
  readonly #engine: EventEvaluator;
  readonly #observer: FieldObserver | undefined;
  readonly #settings: ScanSettings;
  readonly #counts: ScanCounts;
  readonly #sorter: HitSorter;
  readonly #timed: boolean;
  readonly #reading: InputReading;
  readonly #decoder = new EvtxDecoder();
  #earliest = "";
  #latest = "";

  constructor(
    engine: EventEvaluator,
    settings: ScanSettings,
    reading: InputReading,
    counts: ScanCounts,
    sorter: HitSorter,
    observer?: FieldObserver,
  ) {
    this.#observer = observer;
    this.#engine = engine;
    this.#settings = settings;
    this.#reading = reading;
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
      const form = file.form!;
      const isRead = form.kind === "json" ? signal : undefined;
      const blocks = file.packing !== undefined
        ? readPackedBlocks(file.path, file.packing, (bytes) => this.#counts.bytes += bytes, signal)
        : counting(readBlocks(file.path, unit.from, unit.to, isRead), this.#counts);
      return await this.#scanText(unit, form, blocks, tick, signal);
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
    if (file.packing !== undefined) {
      const onPacked = (bytes: number): number => this.#counts.bytes += bytes;
      const blocks = readPackedBlocks(file.path, file.packing, onPacked, signal);
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
    countFormat(this.#counts, "evtx");
    if (!this.#evaluates(time)) return;
    const results = this.#evaluate(event, unit, `record ${event.recordId}`);
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
    const packing = packingIn(head);
    const [first, rest] = packing === undefined
      ? [head, blocks] as const
      : await peek(unpackBlocks(blocks, packing));
    if (isEvtx(first)) {
      await this.#scanEvtxStream(unit, rest, tick);
      return 0;
    }
    const form = textForm(first.subarray(0, HEAD_BYTES), this.#settings.input.format, false);
    if (form === undefined) throw new Error("binary: neither EVTX nor text");
    return await this.#scanText(unit, form, rest, tick, signal);
  }

  async #scanText(
    unit: ScanUnit,
    form: TextForm,
    blocks: AsyncIterable<Uint8Array>,
    tick: () => void,
    signal: AbortSignal,
  ): Promise<number> {
    const { file, from } = unit;
    const counts = this.#counts;
    const options = { ...this.#reading.options, nowMs: file.modifiedMs ?? Date.now() };
    const sink: TextSink = {
      event: (event, place) => this.#textEvent(event, place, unit, form),
      problem: (reason, place, message) =>
        countUnparseable(counts, reason, file.path, placeText(form, reason, place, from), message),
    };
    const reader = new TextReader(form, options, sink, from, () => signal.aborted);
    const pace = new Pace(MIN_BYTES_PER_STEP, MAX_BYTES_PER_STEP);
    for await (const block of blocks) {
      for (let at = 0, to = 0; at < block.length; at = to) {
        to = at + pace.step();
        reader.push(block.subarray(at, to));
        if (pace.isSlow()) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      tick();
    }
    reader.end();
    if (reader.replaced > 0) {
      countError(
        counts,
        "invalid UTF-8 or replacement characters (evaluated all the same)",
        file.path,
        `event ${reader.firstReplaced}`,
        "bytes that are not UTF-8 were read as U+FFFD",
        reader.replaced,
      );
    }
    return reader.lines;
  }

  #textEvent(event: LogEvent, place: TextPlace, unit: ScanUnit, form: TextForm): void {
    const { timeFields } = this.#reading;
    countFormat(this.#counts, formatOf(event, place.text, form));
    if (!this.#timed) this.#noteTime(event);
    if (!this.#evaluates(this.#timed ? eventTimestamp(event, timeFields)[0] : undefined)) return;
    const results = this.#evaluate(event, unit, `line ${place.line}`);
    if (results.length === 0) return;
    const [when, timestamp] = eventTimestamp(event, timeFields);
    const message = eventMessage(event, place.text);
    const isPlaced = event.product !== undefined || event.logsource?.product !== undefined ||
      message === undefined || this.#settings.logsource.product !== undefined;
    if (!isPlaced) this.#counts.unplacedMatches += results.length;
    this.#hit(results, unit, place.offset, place.line, undefined, {
      time: when ?? Infinity,
      timestamp,
      channel: eventChannel(event),
      computer: eventComputer(event),
      // Of a rule that looks for words, no field says what was found.
      message: message ??
        (results.some((one) => one.matched_fields.length === 0) ? jsonMessage(event) : undefined),
    });
  }

  #evaluate(event: LogEvent, unit: ScanUnit, at: string): readonly DetectionResult[] {
    this.#observer?.observe(event);
    const results = this.#engine.evaluate(event);
    const refusal = this.#engine.lastRefusal;
    if (refusal !== undefined) {
      countError(this.#counts, "event refused", unit.file.path, at, refusal);
    }
    return results;
  }

  /**
   * Keeps the first and last time. Texts in UTC of one length sort as their instants do, so only
   * those that widen the range are parsed.
   */
  #noteTime(event: LogEvent): void {
    const { timeFields } = this.#reading;
    const text = event.get(timeFields[0] ?? FIRST_TIME_FIELD);
    if (typeof text === "string" && text.length === this.#earliest.length && text.endsWith("Z")) {
      if (text >= this.#earliest && text <= this.#latest) return;
    }
    const [time] = eventTimestamp(event, timeFields);
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
      `,"timestamp":${jsonText(place.timestamp ?? null)}` +
      (place.message === undefined ? "}}" : `,"message":${jsonText(place.message)}}}`);
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

/** Where a record stands, in words. Lines are numbered within a part, so others are told by bytes. */
function placeText(
  form: TextForm,
  reason: TextProblemReason,
  { line, offset }: TextPlace,
  from: number,
): string {
  if (form.kind === "json") return `character ${offset}`;
  return from === 0 && reason.kind !== "too_long" ? `line ${line}` : `byte ${offset}`;
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
