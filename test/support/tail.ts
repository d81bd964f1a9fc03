/**
 * Drives a file source in tests: real files in a scratch directory, read by a loop that can be
 * stopped at any time and begun again at any position.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileSource } from "../../src/ingest/tail/file_source.ts";
import type { FileSourceOptions } from "../../src/ingest/tail/following.ts";
import type { EventSource, SourceNotice } from "../../src/runtime/plugin.ts";
import type { FileSourceSettings } from "../../src/runtime/settings.ts";

/** A record as tests compare it. */
export interface Seen {
  readonly text: string;
  readonly id: string;
  /** The file's name without its directory. */
  readonly origin: string;
}

export type TailSettings = Partial<Omit<FileSourceSettings, "type" | "id">>;

/** A directory of its own for a test, removed at its end. */
export class Scratch implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "picket-tail-"));

  path(name: string): string {
    return join(this.directory, name);
  }

  makeDirectory(name: string): string {
    mkdirSync(this.path(name), { recursive: true });
    return this.path(name);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One run of a source. */
export class Tail implements AsyncDisposable {
  readonly source: EventSource;
  readonly seen: Seen[] = [];
  readonly notices: SourceNotice[] = [];
  /** After each batch: the position, and how many records had come. */
  readonly positions: { readonly position: string; readonly count: number }[] = [];
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(
    paths: readonly string[],
    settings: TailSettings = {},
    options: FileSourceOptions = {},
    from?: string,
  ) {
    const base = { type: "file", id: "test", paths, pollMs: 20 } as const;
    this.source = fileSource({ ...base, ...settings }, options);
    this.#done = this.#run(from).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#failure = error;
      this.#wake?.();
    });
  }

  get position(): string {
    const last = this.positions.at(-1);
    assert.ok(last, "a batch has come");
    return last.position;
  }

  get texts(): string[] {
    return this.seen.map(({ text }) => text);
  }

  count(name: string): number {
    return this.source.health().counts?.[name] ?? 0;
  }

  /** Waits until `isReached`; fails with what has come if that takes too long. */
  async until(isReached: () => boolean, what = "", timeoutMs = 8000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isReached()) {
      if (this.#failure !== undefined) throw this.#failure;
      if (performance.now() > deadline) {
        const last = this.texts.slice(-5).map((text) => text.slice(0, 80));
        assert.fail(`${what} did not come; ${this.seen.length} records, the last are ${last}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Waits for the first batch, which says where reading begins. */
  started(): Promise<void> {
    return this.until(() => this.positions.length > 0, "the first position");
  }

  records(count: number): Promise<void> {
    return this.until(() => this.seen.length >= count, `record ${count}`);
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("stopped"));
    await this.#done;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(from: string | undefined): Promise<void> {
    for await (const batch of this.source.read(from, this.#abort.signal)) {
      const { events, position, notices = [] } = batch;
      this.notices.push(...notices);
      for (const event of events) {
        assert.equal(typeof event.payload, "string");
        const text = String(event.payload);
        this.seen.push({ text, id: event.recordId, origin: basename(event.origin) });
      }
      this.positions.push({ position, count: this.seen.length });
      this.#wake?.();
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
