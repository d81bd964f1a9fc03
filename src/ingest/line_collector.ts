/**
 * Lines from origins that cannot be read again: stdin and sockets.
 *
 * Such a record has no identity of its own, so it gets a number within this run of the agent. Its
 * position says nothing to a later run.
 */
import type { EventBatch, RawEvent, SourceNotice } from "../runtime/plugin.ts";
import { LineSplitter } from "../decode/line_splitter.ts";

/** 1 MiB, as the reference has it for every source of lines. */
export const MAX_LINE_BYTES = 1 << 20;
/** Enough to evaluate at a stretch, few enough to commit often. */
export const MAX_BATCH_EVENTS = 2048;

const BLANK = /^\s*$/;
const REPLACEMENT = "\ufffd";

/** Numbers the records of a source; each source has one for as long as it lives. */
export class RecordNumbers {
  readonly #bootId: string;
  #last = 0;

  /** @param bootId Differs in each run of the agent. */
  constructor(bootId: string = crypto.randomUUID()) {
    this.#bootId = bootId;
  }

  next(): string {
    return `${this.#bootId}:${++this.#last}`;
  }

  /** The number given last, which is where a source of this kind stands. */
  get position(): string {
    return `${this.#bootId}:${this.#last}`;
  }
}

/** What `LineCollector` counted, under the names of `SourceHealth.counts`. */
export interface LineCounts {
  /** Lines with U+FFFD in them, as a rule instead of bytes that are no UTF-8. */
  replacements: number;
  /** Lines above the bound, which are lost, and their bytes. */
  long_lines: number;
  long_line_bytes: number;
}

/** Cuts streams into lines, leaves blank ones out and holds the rest until they are taken. */
export class LineCollector {
  readonly counts: LineCounts = { replacements: 0, long_lines: 0, long_line_bytes: 0 };
  readonly #numbers: RecordNumbers;
  readonly #origin: string;
  readonly #maxLineBytes: number;
  #events: RawEvent[] = [];
  #bytes = 0;
  #longLines = 0;
  #longBytes = 0;

  constructor(numbers: RecordNumbers, origin: string, maxLineBytes = MAX_LINE_BYTES) {
    this.#numbers = numbers;
    this.#origin = origin;
    this.#maxLineBytes = maxLineBytes;
  }

  /** A splitter for one stream; several may feed the collector. */
  stream(): LineSplitter {
    return new LineSplitter(
      {
        line: (text, offset) => this.#line(offset === 0 ? withoutMark(text) : text),
        tooLong: (_, bytes) => {
          this.counts.long_lines++;
          this.counts.long_line_bytes += bytes;
          this.#longLines++;
          this.#longBytes += bytes;
        },
      },
      0,
      this.#maxLineBytes,
    );
  }

  /** How much waits to be taken. */
  get events(): number {
    return this.#events.length;
  }

  /** Characters of what waits. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#longLines === 0;
  }

  /** The next batch of what waits; `undefined` if nothing does. */
  take(): EventBatch | undefined {
    if (this.isEmpty) return undefined;
    const events = this.#events.length <= MAX_BATCH_EVENTS
      ? this.#events
      : this.#events.slice(0, MAX_BATCH_EVENTS);
    this.#events = events === this.#events ? [] : this.#events.slice(MAX_BATCH_EVENTS);
    if (this.#events.length === 0) this.#bytes = 0;
    else for (const { payload } of events) this.#bytes -= (payload as string).length;
    const position = this.#numbers.position;
    const notice = this.#longLineNotice();
    return notice === undefined ? { events, position } : { events, position, notices: [notice] };
  }

  #line(text: string): void {
    if (BLANK.test(text)) return;
    if (text.includes(REPLACEMENT)) this.counts.replacements++;
    this.#events.push({ payload: text, recordId: this.#numbers.next(), origin: this.#origin });
    this.#bytes += text.length;
  }

  /** A line that is lost is an alert: else a long one would be the way past every rule. */
  #longLineNotice(): SourceNotice | undefined {
    if (this.#longLines === 0) return undefined;
    const facts = {
      lines: this.#longLines,
      bytes: this.#longBytes,
      max_line_bytes: this.#maxLineBytes,
    };
    this.#longLines = 0;
    this.#longBytes = 0;
    const message = `${facts.lines} lines of ${facts.bytes} bytes were longer than ` +
      `${facts.max_line_bytes} bytes and are lost`;
    return { id: `long_line:${this.#numbers.next()}`, reason: "long_line", message, facts };
  }
}

/** The text without a byte order mark. */
function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}
