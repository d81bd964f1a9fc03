/**
 * The events of one input, in its order: `picket eval` and `picket explain`.
 *
 * What the input is shows in its first bytes: EVTX, JSON one event a line, or JSON in any other
 * arrangement, each plain or gzipped.
 */
import { statSync } from "node:fs";
import process from "node:process";
import { EvtxDecoder } from "../src/decode/evtx/decoder.ts";
import { isEvtx } from "../src/decode/evtx/file_header.ts";
import { DecodeError } from "../src/decode/errors.ts";
import { decodeJson } from "../src/decode/json.ts";
import { JsonStream } from "../src/decode/json_stream.ts";
import { LineSplitter } from "../src/decode/line_splitter.ts";
import { PicketError } from "../src/event/errors.ts";
import type { LogEvent } from "../src/event/event.ts";
import { gunzipBlocks, isGzip, readBlocks } from "../src/ingest/blocks.ts";
import { readEvtxStream } from "../src/ingest/evtx_file.ts";
import { jsonKind } from "./scan/inputs.ts";

/** Enough of the input to tell what it is. */
const HEAD_BYTES = 4096;
/** How much is read between two looks at the sink and at Ctrl-C: one chunk of EVTX. */
const STEP_BYTES = 64 << 10;
const BOM = "\uFEFF";
/** A file of this name is EVTX or damaged, not lines of JSON. */
const EVTX_NAME = /\.evtx(?:\.gz)?$/i;

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
}

export interface EventSink {
  /** `event` is valid until the call returns. */
  event(event: LogEvent, place: EventPlace): void;
  /** Something that is not an event, with its place in words. */
  problem(place: string, message: string): void;
  /** What has been read so far was delivered. Returns `false` when no more is wanted. */
  pause?(): boolean;
}

export interface EventCounts {
  events: number;
  problems: number;
  format: "json" | "evtx";
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
 * @param stdin Where `stdin` comes from.
 * @throws {EventInputError} If the input as a whole cannot be read, or inline text is not JSON.
 * Rejects with the reason of `signal`.
 */
export async function readEvents(
  input: EventInput,
  sink: EventSink,
  signal: AbortSignal,
  stdin: (signal: AbortSignal) => AsyncIterable<Uint8Array> = stdinBlocks,
): Promise<EventCounts> {
  const reader = new EventReader(sink, signal);
  switch (input.kind) {
    case "inline":
      reader.inline(input.text);
      break;
    case "stdin":
      await reader.blocks(stdin(signal));
      break;
    case "file":
      await readFile(input.path, reader, signal);
      break;
  }
  return reader.counts;
}

async function readFile(path: string, reader: EventReader, signal: AbortSignal): Promise<void> {
  let isFile: boolean;
  try {
    isFile = !statSync(path).isDirectory();
  } catch (cause) {
    throw new EventInputError("EVENT_NOT_FOUND", `Event file not found: ${path}`, { cause });
  }
  if (!isFile) {
    const message = `Cannot read events: ${path} is a directory; use picket scan ${path}`;
    throw new EventInputError("EVENT_IO", message);
  }
  try {
    await reader.blocks(readBlocks(path, 0, Infinity, signal), EVTX_NAME.test(path));
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
  readonly counts: EventCounts = { events: 0, problems: 0, format: "json" };
  readonly #sink: EventSink;
  readonly #signal: AbortSignal;
  #number = 0;
  /** The sink wants no more; what is left of the last block is dropped. */
  #stopped = false;

  constructor(sink: EventSink, signal: AbortSignal) {
    this.#sink = sink;
    this.#signal = signal;
  }

  /** One event, or an array of them. */
  inline(text: string): void {
    try {
      JSON.parse(text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const hint = /^\s*[[{]/.test(text) ? "" : "; to read a file, write @FILE";
      throw new EventInputError("EVENT_JSON", `Invalid JSON in --event: ${reason}${hint}`, {
        cause,
      });
    }
    if (!/^\s*[[{]/.test(text)) {
      const message = "Invalid JSON in --event: an event must be an object";
      throw new EventInputError("EVENT_JSON", message);
    }
    const stream = this.#jsonStream();
    stream.push(text);
    stream.end();
  }

  async blocks(blocks: AsyncIterable<Uint8Array>, isNamedEvtx = false): Promise<void> {
    const [packed, all] = await peek(blocks, (head) => head.length >= 2);
    const unpacked = isGzip(packed) ? gunzipBlocks(copies(all)) : all;
    const [head, rest] = await peek(
      unpacked,
      (bytes) => bytes.includes(10) || bytes.length >= HEAD_BYTES,
    );
    if (isNamedEvtx || isEvtx(head)) await this.#evtx(rest);
    else await this.#json(jsonKind(head.subarray(0, HEAD_BYTES)), rest);
  }

  async #evtx(blocks: AsyncIterable<Uint8Array>): Promise<void> {
    this.counts.format = "evtx";
    await readEvtxStream(
      this.#pausing(blocks),
      new EvtxDecoder(),
      (event) => {
        if (this.#stopped) return;
        this.counts.events++;
        this.#sink.event(event, { number: ++this.#number, recordId: BigInt(event.recordId) });
      },
      ({ offset, message }) => this.#problem(`byte ${offset}`, message),
    );
    this.#sink.pause?.();
  }

  async #json(kind: "lines" | "json", blocks: AsyncIterable<Uint8Array>): Promise<void> {
    if (kind === "json") {
      const stream = this.#jsonStream();
      const decoder = new TextDecoder();
      for await (const block of this.#pausing(blocks)) {
        stream.push(decoder.decode(block, { stream: true }));
      }
      stream.push(decoder.decode());
      stream.end();
    } else {
      let lines = 0;
      const splitter = new LineSplitter({
        line: (text) => {
          lines++;
          const line = lines === 1 && text.startsWith(BOM) ? text.slice(1) : text;
          if (line.trim() !== "") this.#text(line, `line ${lines}`);
        },
        tooLong: (_offset, bytes) => {
          lines++;
          this.#problem(`line ${lines}`, `a line of ${bytes} bytes was skipped`);
        },
      });
      for await (const block of this.#pausing(blocks)) splitter.push(block);
      splitter.end();
    }
    this.#sink.pause?.();
  }

  #jsonStream(): JsonStream {
    return new JsonStream({
      value: (text, offset) => this.#text(text, `character ${offset}`),
      problem: (message, offset) => this.#problem(`character ${offset}`, message),
    });
  }

  #text(text: string, place: string): void {
    if (this.#stopped) return;
    this.#number++;
    let event: LogEvent;
    try {
      event = decodeJson(text);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#problem(place, error.message);
      return;
    }
    this.counts.events++;
    this.#sink.event(event, { number: this.#number });
  }

  #problem(place: string, message: string): void {
    if (this.#stopped) return;
    this.counts.problems++;
    this.#sink.problem(place, message);
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
