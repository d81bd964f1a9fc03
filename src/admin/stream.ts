/**
 * Live streams: a bounded queue between the agent, which never waits, and a client, which may.
 *
 * As NDJSON a stream is one line an item and a last line with a summary; as server-sent events it
 * has ids to resume at and comments that keep idle connections open.
 */

/** Items that are rendered ahead of a client. */
const MAX_CHUNK_ITEMS = 64;
const HEARTBEAT_MS = 15_000;

export type StreamFormat = "ndjson" | "sse";

export interface StreamItem {
  /** Where to resume behind the item. */
  readonly id?: string;
  /** One line. */
  readonly data: string;
}

export interface StreamTotals {
  readonly sent: number;
  readonly dropped: number;
  readonly durationMs: number;
}

export interface StreamOptions {
  readonly format: StreamFormat;
  /** The name of an item as a server-sent event. */
  readonly event: string;
  /** Items that wait for the client at most; further ones are dropped and counted. */
  readonly buffer: number;
  /** Ends the stream after so many items. */
  readonly limit: number | undefined;
  readonly durationMs: number | undefined;
  /** The last line. */
  readonly summary: (totals: StreamTotals) => string;
  /** Called once, when nothing more will be sent. */
  readonly onClose: (totals: StreamTotals) => void;
  /** Sent first over server-sent events, so that a client can resume before it has seen an item. */
  readonly openingId?: string;
  /** For tests. */
  readonly heartbeatMs?: number;
}

/** One client of a stream. */
export class StreamSession {
  readonly #options: StreamOptions;
  readonly #encoder = new TextEncoder();
  readonly #started = performance.now();
  readonly #timers: ReturnType<typeof setTimeout>[] = [];
  #queue: StreamItem[] = [];
  #taken = 0;
  #sent = 0;
  #dropped = 0;
  #ended = false;
  #closed = false;
  #heartbeat = false;
  #opening: string | undefined;
  #wake: (() => void) | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
    if (options.limit === 0) this.#ended = true;
    if (options.durationMs !== undefined) {
      // Timers hold 31 bits; a stream of more than 24 days is as good as endless.
      const ms = Math.min(options.durationMs, 2 ** 31 - 1);
      this.#timers.push(setTimeout(() => this.#end(), ms));
    }
    if (options.format === "sse") {
      if (options.openingId !== undefined) {
        this.#opening = `id: ${options.openingId}\nevent: open\ndata: {}\n\n`;
      }
      this.#timers.push(setInterval(() => {
        this.#heartbeat = true;
        this.#wake?.();
      }, options.heartbeatMs ?? HEARTBEAT_MS));
    }
  }

  /** Whether another item would be sent: neither ended nor at its limit. */
  get open(): boolean {
    return !this.#ended;
  }

  /**
   * Queues an item; `make` is only called if there is room, and `undefined` counts as dropped.
   *
   * @param force Queues whatever the bound: for items that are replayed at the beginning.
   */
  offer(make: () => StreamItem | undefined, force = false): void {
    if (this.#ended) return;
    const item = force || this.#queue.length < this.#options.buffer ? make() : undefined;
    if (item === undefined) {
      this.#dropped++;
      return;
    }
    this.#queue.push(item);
    this.#taken++;
    if (this.#options.limit !== undefined && this.#taken >= this.#options.limit) this.#end();
    this.#wake?.();
  }

  /** Ends the stream at once: what still waits is dropped, the summary is sent. */
  stop(): void {
    this.#dropped += this.#queue.length;
    this.#queue = [];
    this.#end();
  }

  /** The client has gone: nothing more is sent. */
  abandon(): void {
    this.#queue = [];
    this.#end();
    this.#close();
  }

  /** The body of the answer; to be read once. */
  body(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const text = await this.#next();
        if (this.#closed) return;
        controller.enqueue(this.#encoder.encode(text.chunk));
        if (!text.last) return;
        this.#close();
        controller.close();
      },
      cancel: () => this.abandon(),
    }, { highWaterMark: 0 });
  }

  async #next(): Promise<{ readonly chunk: string; readonly last: boolean }> {
    if (this.#opening !== undefined) {
      const chunk = this.#opening;
      this.#opening = undefined;
      return { chunk, last: false };
    }
    for (;;) {
      if (this.#queue.length > 0) {
        const items = this.#queue.splice(0, MAX_CHUNK_ITEMS);
        this.#sent += items.length;
        return { chunk: items.map((item) => this.#render(item)).join(""), last: false };
      }
      if (this.#ended) return { chunk: this.#summary(), last: true };
      if (this.#heartbeat) {
        this.#heartbeat = false;
        return { chunk: ": heartbeat\n\n", last: false };
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
      this.#wake = undefined;
    }
  }

  #render({ id, data }: StreamItem): string {
    if (this.#options.format === "ndjson") return `${data}\n`;
    const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("");
    return `${id === undefined ? "" : `id: ${id}\n`}event: ${this.#options.event}\n${lines}\n`;
  }

  #summary(): string {
    const text = this.#options.summary(this.#totals());
    return this.#options.format === "ndjson" ? `${text}\n` : `event: summary\ndata: ${text}\n\n`;
  }

  #totals(): StreamTotals {
    return {
      sent: this.#sent,
      dropped: this.#dropped,
      durationMs: Math.round(performance.now() - this.#started),
    };
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#wake?.();
    this.#options.onClose(this.#totals());
  }
}

/** The open sessions of one kind of stream. */
export class Sessions {
  readonly #max: number;
  readonly #open = new Set<StreamSession>();

  constructor(max: number) {
    this.#max = max;
  }

  get full(): boolean {
    return this.#open.size >= this.#max;
  }

  get size(): number {
    return this.#open.size;
  }

  add(session: StreamSession): void {
    this.#open.add(session);
  }

  delete(session: StreamSession): void {
    this.#open.delete(session);
  }

  stopAll(): void {
    for (const session of this.#open) session.stop();
  }
}
