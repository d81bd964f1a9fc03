/**
 * The events of one input, in its order: `picket eval` and `picket explain`.
 *
 * What the input is shows in its first bytes: EVTX, JSON one event a line or in any other
 * arrangement, or lines of any other log, each plain or packed.
 */
import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { EvtxDecoder } from "../src/decode/evtx/decoder.ts";
import { isEvtx } from "../src/decode/evtx/file_header.ts";
import { PicketError } from "../src/event/errors.ts";
import type { LogEvent } from "../src/event/event.ts";
import { PACKING_BYTES, packingIn, readBlocks, unpackBlocks } from "../src/ingest/blocks.ts";
import { readEvtxStream } from "../src/ingest/evtx_file.ts";
import type { InputOptions } from "../src/runtime/input_events.ts";
import { EVTX_NAME, hasName, JSON_NAME } from "./scan/inputs.ts";
import { HEAD_BYTES, type TextForm, textForm } from "./text_form.ts";
import { TextReader, type TextSink } from "./text_reader.ts";

/** How much is read between two looks at the sink and at Ctrl-C: one chunk of EVTX. */
const STEP_BYTES = 64 << 10;
/** Records of an audit event are written at once, so nothing more of it will come after so long. */
const IDLE_MS = 250;
/** Longer texts are no path. */
const MAX_PATH = 4096;
/** Of text that looks like nothing else. */
const PLAIN_FORM: TextForm = {
  kind: "lines",
  format: "auto",
  expectsJson: false,
  isAudit: false,
  encoding: "utf-8",
};

/** The named input cannot be used at all. */
export class EventInputError extends PicketError {
  override readonly name = "EventInputError";
  readonly code: "EVENT_NOT_FOUND" | "EVENT_JSON" | "EVENT_IO";

  constructor(code: EventInputError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What `--event` names. */
export type EventInput =
  | { readonly kind: "inline"; readonly text: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "stdin" };

/** Where an event stands in its input. */
export interface EventPlace {
  /** From 1, events that could not be decoded included. */
  readonly number: number;
  readonly recordId?: bigint;
  /** The line or JSON text; audit records of one event together. */
  readonly text?: string;
}

/** `unparseable` is text that is not an event, `filter` an output that the filter could not make. */
export type EventProblem = "evtx" | "unparseable" | "filter";

export interface EventSink {
  /** `event` is valid until the call returns. */
  event(event: LogEvent, place: EventPlace): void;
  /** Something that is not an event, with its place in words. */
  problem(kind: EventProblem, place: string, message: string): void;
  /** What has been read so far was delivered. Returns `false` when no more is wanted. */
  pause?(): boolean;
}

export interface EventCounts {
  events: number;
  problems: number;
  /** Lines with bytes that are not UTF-8, or with U+FFFD. */
  replaced: number;
  format: "text" | "evtx";
}

/** Reads the value of `--event`. */
export function eventInput(argument: string | undefined): EventInput {
  if (argument === undefined || argument === "-") return { kind: "stdin" };
  if (argument.startsWith("@")) return { kind: "file", path: argument.slice(1) };
  return { kind: "inline", text: argument };
}

/**
 * Delivers every event of `input`.
 *
 * @param options How text is read.
 * @param stdin Where `stdin` comes from.
 * @throws {EventInputError} If the input as a whole cannot be read, or inline text cannot be meant.
 * Rejects with the reason of `signal`.
 */
export async function readEvents(
  input: EventInput,
  options: InputOptions,
  sink: EventSink,
  signal: AbortSignal,
  stdin: (signal: AbortSignal) => AsyncIterable<Uint8Array> = stdinBlocks,
): Promise<EventCounts> {
  const reader = new EventReader(options, sink, signal);
  switch (input.kind) {
    case "inline":
      reader.inline(input.text);
      break;
    case "stdin":
      await reader.blocks(stdin(signal), "stdin", undefined);
      break;
    case "file":
      await readFile(input.path, reader, signal);
      break;
  }
  return reader.counts;
}

async function readFile(path: string, reader: EventReader, signal: AbortSignal): Promise<void> {
  let stat;
  try {
    stat = statSync(path);
  } catch (cause) {
    throw new EventInputError("EVENT_NOT_FOUND", `Event file not found: ${path}`, { cause });
  }
  if (stat.isDirectory()) {
    const message = `Cannot read events: ${path} is a directory; use picket scan ${path}`;
    throw new EventInputError("EVENT_IO", message);
  }
  try {
    const modifiedMs = stat.isFile() ? stat.mtimeMs : undefined;
    await reader.blocks(readBlocks(path, 0, Infinity, signal), path, modifiedMs);
  } catch (error) {
    signal.throwIfAborted();
    const system = error as { readonly code?: unknown; readonly message?: unknown };
    if (typeof system.code !== "string") throw error;
    const message = `Cannot read events from ${path}: ${String(system.message)}`;
    throw new EventInputError("EVENT_IO", message, { cause: error });
  }
}

async function* stdinBlocks(signal: AbortSignal): AsyncIterable<Uint8Array> {
  const stop = (): void => {
    process.stdin.destroy();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const block of process.stdin) yield block as Uint8Array;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
}

class EventReader {
  readonly counts: EventCounts = { events: 0, problems: 0, replaced: 0, format: "text" };
  readonly #sink: EventSink;
  readonly #signal: AbortSignal;
  readonly #options: InputOptions;
  /** The sink wants no more; what is left of the last block is dropped. */
  #stopped = false;

  constructor(options: InputOptions, sink: EventSink, signal: AbortSignal) {
    this.#options = options;
    this.#sink = sink;
    this.#signal = signal;
  }

  /** One event or an array of them in JSON, or lines of another format. */
  inline(text: string): void {
    const bytes = new TextEncoder().encode(text);
    const { format = "auto" } = this.#options;
    const head = bytes.subarray(0, HEAD_BYTES);
    const looksLike = textForm(head, format, false) ?? { ...PLAIN_FORM, format };
    // A brace is meant as JSON even where the shell has eaten the quotes behind it.
    const beginsAsJson = looksLike.expectsJson || /^\s*\{/.test(text);
    const isJson = format === "json" || (format === "auto" && beginsAsJson);
    if (isJson) checkInlineJson(text);
    else if (format === "auto") checkNoFileName(text);
    const form = isJson ? { ...looksLike, kind: "json" as const } : looksLike;
    const place = isJson ? "--event" : undefined;
    const reader = this.#reader({ ...form, encoding: "utf-8" }, Date.now(), place);
    reader.push(bytes);
    this.#end(reader);
  }

  /** @param modifiedMs When the input was written; `undefined` while it still is. */
  async blocks(
    blocks: AsyncIterable<Uint8Array>,
    path: string,
    modifiedMs: number | undefined,
  ): Promise<void> {
    const [packed, all] = await peek(blocks, (head) => head.length >= PACKING_BYTES);
    const packing = packingIn(packed);
    const unpacked = packing === undefined ? all : unpackBlocks(copies(all), packing);
    const [start, rest] = await peek(
      behindHole(unpacked),
      (bytes) => bytes.includes(10) || bytes.length >= HEAD_BYTES,
    );
    const head = start.subarray(0, HEAD_BYTES);
    if (hasName(path, EVTX_NAME) || isEvtx(head)) {
      await this.#evtx(rest);
      return;
    }
    const form = textForm(head, this.#options.format ?? "auto", hasName(path, JSON_NAME));
    if (form === undefined) {
      throw new EventInputError("EVENT_IO", `Cannot read ${path}: neither EVTX nor text`);
    }
    await this.#text(form, rest, modifiedMs);
  }

  async #evtx(blocks: AsyncIterable<Uint8Array>): Promise<void> {
    this.counts.format = "evtx";
    let number = 0;
    await readEvtxStream(
      this.#pausing(blocks),
      new EvtxDecoder(),
      (event) => {
        if (this.#stopped) return;
        this.counts.events++;
        this.#sink.event(event, { number: ++number, recordId: BigInt(event.recordId) });
      },
      ({ offset, message }) => this.#problem("evtx", `byte ${offset}`, message),
    );
    this.#sink.pause?.();
  }

  async #text(
    form: TextForm,
    blocks: AsyncIterable<Uint8Array>,
    modifiedMs: number | undefined,
  ): Promise<void> {
    const reader = this.#reader(form, modifiedMs ?? Date.now());
    const flush = (): void => {
      reader.flush();
      this.#sink.pause?.();
    };
    const live = modifiedMs === undefined
      ? idling(blocks, IDLE_MS, () => reader.isHolding, flush)
      : blocks;
    for await (const block of this.#pausing(live)) {
      if (modifiedMs === undefined) reader.nowMs = Date.now();
      reader.push(block);
    }
    this.#end(reader);
    this.#sink.pause?.();
  }

  /** @param at What to call the place of a problem, if not by line or character. */
  #reader(form: TextForm, nowMs: number, at?: string): TextReader {
    const sink: TextSink = {
      event: (event, { number, text }) => {
        if (this.#stopped) return;
        this.counts.events++;
        this.#sink.event(event, { number, text });
      },
      problem: (reason, { line, offset }, message) => {
        const place = at ?? (form.kind === "json" ? `character ${offset}` : `line ${line}`);
        const isFilter = reason.kind === "record" && reason.reason === "filter";
        this.#problem(isFilter ? "filter" : "unparseable", place, message);
      },
    };
    return new TextReader(form, { ...this.#options, nowMs }, sink, 0, () => this.#stopped);
  }

  #end(reader: TextReader): void {
    reader.end();
    this.counts.replaced = reader.replaced;
  }

  #problem(kind: EventProblem, place: string, message: string): void {
    if (this.#stopped) return;
    this.counts.problems++;
    this.#sink.problem(kind, place, message);
  }

  /** `blocks` in small steps, with a pause after what each of them held was delivered. */
  async *#pausing(blocks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const block of blocks) {
      for (let from = 0; from < block.length; from += STEP_BYTES) {
        yield block.subarray(from, from + STEP_BYTES);
        if (this.#sink.pause?.() === false) {
          this.#stopped = true;
          return;
        }
        await new Promise<void>((resolve) => setImmediate(resolve));
        this.#signal.throwIfAborted();
      }
    }
  }
}

function checkInlineJson(text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = /^\s*[[{]/.test(text) ? "" : "; to read a file, write @FILE";
    throw new EventInputError("EVENT_JSON", `Invalid JSON in --event: ${reason}${hint}`, { cause });
  }
  if (typeof value === "object" && value !== null) return;
  throw new EventInputError("EVENT_JSON", "Invalid JSON in --event: an event must be an object");
}

/** A line that is the name of a file is hardly meant. */
function checkNoFileName(text: string): void {
  if (text.length > MAX_PATH || !existsSync(text)) return;
  const message = `--event is the name of a file; to read it, write @${text}`;
  throw new EventInputError("EVENT_JSON", message);
}

/** What `blocks` yields; `onIdle` is called when nothing has come for `ms` while something waits. */
async function* idling(
  blocks: AsyncIterable<Uint8Array>,
  ms: number,
  isWaiting: () => boolean,
  onIdle: () => void,
): AsyncIterable<Uint8Array> {
  const iterator = blocks[Symbol.asyncIterator]();
  try {
    while (true) {
      const timer = isWaiting() ? setTimeout(onIdle, ms) : undefined;
      const next = await iterator.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/**
 * `blocks` without the NULs that a file begins with that was truncated under its writer. Their number
 * is even, so that UTF-16 stays aligned; of a file that holds nothing else some are left.
 */
async function* behindHole(blocks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let hole = 0;
  let isHole = true;
  for await (const block of blocks) {
    const text = isHole ? block.findIndex((byte) => byte !== 0) : 0;
    if (text < 0) {
      hole += block.length;
      continue;
    }
    isHole = false;
    // Shorter runs of NULs are no hole: they tell what the input is.
    if (hole + text < HEAD_BYTES) {
      yield block;
      continue;
    }
    const odd = (hole + text) % 2;
    if (odd > text) yield new Uint8Array(1);
    yield block.subarray(Math.max(0, text - odd));
  }
  if (isHole && hole > 0) yield new Uint8Array(Math.min(hole, HEAD_BYTES));
}

/** Unpacking runs ahead of reading, which uses one buffer for all blocks. */
async function* copies(blocks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  // Not `slice`: a `Buffer` would give a view of the same bytes.
  for await (const block of blocks) yield new Uint8Array(block);
}

/** The first bytes until `enough` says so or the end, and a stream that begins with them. */
async function peek(
  blocks: AsyncIterable<Uint8Array>,
  enough: (head: Uint8Array) => boolean,
): Promise<readonly [Uint8Array, AsyncIterable<Uint8Array>]> {
  const iterator = blocks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  let ended = false;
  while (!ended && !enough(head)) {
    const next = await iterator.next();
    if (next.done === true) {
      ended = true;
    } else {
      // The block is overwritten by the next one.
      const grown = new Uint8Array(head.length + next.value.length);
      grown.set(head);
      grown.set(next.value, head.length);
      head = grown;
    }
  }
  const all = async function* (): AsyncIterable<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      while (!ended) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  return [head, all()];
}
