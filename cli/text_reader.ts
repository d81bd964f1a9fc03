/**
 * Text to events for `scan`, `eval` and `explain`: bytes in any blocks, lines or JSON documents,
 * decoded as the agent decodes them.
 */
import { AuditJoiner } from "../src/decode/auditd/join.ts";
import { isAudit } from "../src/decode/auditd/event.ts";
import { Utf16Blocks } from "../src/decode/encoding.ts";
import { JsonStream, MAX_VALUE_CHARACTERS } from "../src/decode/json_stream.ts";
import { LineSplitter } from "../src/decode/line_splitter.ts";
import type { LogEvent } from "../src/event/event.ts";
import { type InputOptions, visitEvents } from "../src/runtime/input_events.ts";
import type { TextForm } from "./text_form.ts";

/** Where a record stands. Valid until the call it was handed to returns. */
export interface TextPlace {
  /** Counts the records that are not blank, from 1; 0 for what is none. */
  readonly number: number;
  /** The number of its first line, or of its value in JSON that is not one a line, from 1. */
  readonly line: number;
  /** Of its first byte in UTF-8, or of its first character in JSON that is not one a line. */
  readonly offset: number;
  /** What it was decoded from. */
  readonly text: string;
}

/** What can be wrong with a record. */
export type TextProblemReason =
  /** As `visitEvents` tells it. */
  | { readonly kind: "record"; readonly reason: string }
  /** Text between JSON values, or one that is too long or cut off. */
  | { readonly kind: "json" }
  | { readonly kind: "too_long" };

export interface TextSink {
  /** An event of the record at `place`; a record may have several. */
  event(event: LogEvent, place: TextPlace): void;
  problem(reason: TextProblemReason, place: TextPlace, message: string): void;
}

const BLANK = /^\s*$/;
const REPLACEMENT = "\uFFFD";

/** Reads one input, or a part of one that begins after a line end. */
export class TextReader {
  /** Lines so far, or JSON values. */
  lines = 0;
  /** Lines or values with U+FFFD in them, and the first of them. */
  replaced = 0;
  firstReplaced = 0;
  readonly #sink: TextSink;
  #options: InputOptions;
  readonly #isStopped: () => boolean;
  readonly #utf16: Utf16Blocks | undefined;
  readonly #pusher: BlockPusher;
  /** Of the lines that an audit event begins with; `undefined` where no line is a record of one. */
  readonly #joiner: AuditJoiner<Pick<TextPlace, "line" | "offset">> | undefined;
  readonly #place = { number: 0, line: 0, offset: 0, text: "" };
  readonly #visit = (event: LogEvent): void => this.#sink.event(event, this.#place);

  /**
   * @param options `format` and `expectsJson` come from `form`.
   * @param from Offset of the first byte that will be pushed.
   * @param isStopped While it says so, lines are counted and not read.
   */
  constructor(
    form: TextForm,
    options: InputOptions,
    sink: TextSink,
    from = 0,
    isStopped: () => boolean = () => false,
  ) {
    this.#sink = sink;
    this.#isStopped = isStopped;
    const { kind, format, expectsJson, encoding } = form;
    this.#options = { ...options, format: kind === "json" ? "json" : format, expectsJson };
    if (kind === "lines" && (format === "auto" || format === "auditd")) {
      this.#joiner = new AuditJoiner((text, [{ line, offset }]) =>
        this.#deliver(text, line, offset)
      );
    }
    this.#utf16 = encoding === "utf-16le" || encoding === "utf-16be"
      ? new Utf16Blocks(encoding)
      : undefined;
    this.#pusher = kind === "json" ? this.#jsonPusher() : this.#linePusher(from);
  }

  /** Unix milliseconds now, where the input is written while it is read. */
  set nowMs(nowMs: number) {
    this.#options = { ...this.#options, nowMs };
  }

  /** Takes the next bytes; nothing refers to `block` afterwards. */
  push(block: Uint8Array): void {
    this.#pusher.push(this.#utf16 === undefined ? block : this.#utf16.push(block));
  }

  /** Delivers what waits for more lines: none have come for a while. */
  flush(): void {
    if (!this.#isStopped()) this.#joiner?.flush();
  }

  /** Whether something waits. */
  get isHolding(): boolean {
    return this.#joiner !== undefined && !this.#joiner.isEmpty;
  }

  end(): void {
    if (this.#utf16 !== undefined) this.#pusher.push(this.#utf16.end());
    this.#pusher.end();
    this.flush();
  }

  #linePusher(from: number): BlockPusher {
    const splitter = new LineSplitter({
      line: (text, offset) => this.#record(text, offset),
      tooLong: (offset, bytes) => {
        this.lines++;
        this.#problem({ kind: "too_long" }, offset, `a line of ${bytes} bytes was skipped`);
      },
    }, from);
    return splitter;
  }

  #jsonPusher(): BlockPusher {
    // To a filter an array is one value, as it is to jq.
    const opensArray = this.#options.filter === undefined;
    const stream = new JsonStream(
      {
        value: (text, offset) => this.#record(text, offset),
        problem: (message, offset) => this.#problem({ kind: "json" }, offset, message),
      },
      MAX_VALUE_CHARACTERS,
      opensArray,
    );
    const decoder = new TextDecoder();
    return {
      push: (block) => stream.push(decoder.decode(block, { stream: true })),
      end: () => {
        stream.push(decoder.decode());
        stream.end();
      },
    };
  }

  #record(written: string, offset: number): void {
    this.lines++;
    if (this.#isStopped()) return;
    const text = written.charCodeAt(0) === 0 ? withoutNuls(written) : written;
    if (text === "" || BLANK.test(text)) return;
    if (text.includes(REPLACEMENT)) {
      if (this.replaced++ === 0) this.firstReplaced = this.lines;
    }
    // Other lines need not be held against those of open events while there are none.
    if (this.isHolding || (this.#joiner !== undefined && mayBeAudit(text))) {
      this.#joiner!.line(text, { line: this.lines, offset });
    } else {
      this.#deliver(text, this.lines, offset);
    }
  }

  #deliver(text: string, line: number, offset: number): void {
    const place = this.#place;
    place.number++;
    place.line = line;
    place.offset = offset;
    place.text = text;
    const failure = visitEvents(text, this.#options, this.#visit);
    if (failure === undefined) return;
    this.#sink.problem({ kind: "record", reason: failure.reason }, place, failure.message);
  }

  #problem(reason: TextProblemReason, offset: number, message: string): void {
    if (this.#isStopped()) return;
    this.#sink.problem(reason, { number: 0, line: this.lines, offset, text: "" }, message);
  }
}

/** Cheaper than `isAudit` for nearly all lines that are none: `type=` or `node=`, or a blank. */
function mayBeAudit(line: string): boolean {
  const first = line.charCodeAt(0);
  return (first === 0x74 || first === 0x6e || first <= 0x20 || first === 0xfeff) && isAudit(line);
}

interface BlockPusher {
  push(block: Uint8Array): void;
  end(): void;
}

/** The text behind the hole that a crash has left in front of it. */
function withoutNuls(text: string): string {
  return text.replace(/^\0+/, "");
}
