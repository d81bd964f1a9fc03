/**
 * The journal of systemd, read through `journalctl`, which knows every version of its file format.
 */
import { LineSplitter } from "../decode/line_splitter.ts";
import { SourceError } from "../runtime/errors.ts";
import type {
  EventBatch,
  EventSource,
  RawEvent,
  SourceHealth,
  SourceNotice,
} from "../runtime/plugin.ts";
import type { JournaldSourceSettings } from "../runtime/settings.ts";
import { MAX_BATCH_EVENTS } from "./line_collector.ts";
import { decodeEntry, isCursor, isSameEntry } from "./journald/entry.ts";
import { runJournalctl } from "./journald/process.ts";

/**
 * `--all` gives values above 4,096 bytes, which are null otherwise. `--merge` is needed because
 * `--follow` alone leaves out what was written before the last boot; it adds the journals of other
 * machines, where this one collects them.
 */
const ARGS = ["--output=json", "--all", "--no-pager", "--merge"];

/** Where to go on: behind an entry, or at a time if there was none. */
type Place =
  | { readonly kind: "cursor"; readonly cursor: string }
  /** Unix seconds. */
  | { readonly kind: "time"; readonly seconds: number };

/**
 * Follows the journal from a cursor on.
 *
 * Payloads are decoded events with journald's own field names; record ids are cursors. The entry
 * read last is asked for once more, so that it shows when the journal no longer has it: then those
 * behind it may be gone too, which a notice `event_loss` says.
 *
 * @throws {SourceError} from `read` whenever `journalctl` ends.
 */
export function journaldSource(settings: JournaldSourceSettings): EventSource {
  const reader = new JournalReader(settings);
  return {
    id: settings.id,
    kind: "journald",
    read: (from, signal) => reader.read(from, signal),
    health: () => reader.health(),
  };
}

class JournalReader {
  readonly #settings: JournaldSourceSettings;
  readonly #filter: readonly string[];
  readonly #counts = { entries: 0, bad_lines: 0, long_lines: 0, starts: 0 };
  #state: SourceHealth["state"] = "starting";
  #error: string | undefined;

  constructor(settings: JournaldSourceSettings) {
    this.#settings = settings;
    this.#filter = [
      ...(settings.directory === undefined ? [] : [`--directory=${settings.directory}`]),
      ...(settings.units ?? []).map((unit) => `--unit=${unit}`),
    ];
  }

  health(): SourceHealth {
    const health = { state: this.#state, counts: { ...this.#counts } };
    return this.#error === undefined ? health : { ...health, error: this.#error };
  }

  async *read(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    try {
      yield* this.#follow(from, signal);
    } catch (error) {
      this.#state = "failed";
      if (error instanceof SourceError) this.#error = error.message;
      throw error;
    } finally {
      if (this.#state !== "failed" || signal.aborted) this.#state = "stopped";
    }
  }

  async *#follow(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    let { place, hasSameUnits, notice } = this.#parse(from);
    if (place === undefined && this.#settings.startAt !== "start") {
      place = await this.#end(signal);
      const notices = notice === undefined ? [] : [notice];
      yield { events: [], position: this.#format(place), notices };
      notice = undefined;
    }
    const collector = new EntryCollector(
      place?.kind === "cursor" ? place.cursor : undefined,
      hasSameUnits,
      this.#settings.id,
      this.#counts,
    );
    if (notice !== undefined) collector.notices.push(notice);
    const splitter = new LineSplitter(collector);
    const blocks = this.#run(["--follow", "--no-tail", ...startArgs(place)], signal);
    this.#counts.starts++;
    this.#state = "running";
    this.#error = undefined;
    for await (const block of blocks) {
      splitter.push(block);
      yield* this.#batches(collector, place);
    }
    splitter.end();
    yield* this.#batches(collector, place);
    throw new SourceError("SOURCE_IO", "Cannot read the journal: journalctl ended by itself");
  }

  *#batches(collector: EntryCollector, start: Place | undefined): Generator<EventBatch> {
    while (collector.events.length > 0 || collector.notices.length > 0) {
      const taken = collector.events.splice(0, MAX_BATCH_EVENTS);
      const cursor = taken.at(-1)?.cursor ?? collector.cursor;
      const place = cursor === undefined ? start : { kind: "cursor" as const, cursor };
      const position = this.#format(place ?? { kind: "time", seconds: 0 });
      yield { events: taken, position, notices: collector.notices.splice(0) };
    }
  }

  #run(args: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { command = "journalctl" } = this.#settings;
    return runJournalctl(command, [...ARGS, ...this.#filter, ...args], signal);
  }

  /** The last entry there is; the time, if there is none. */
  async #end(signal: AbortSignal): Promise<Place> {
    const seconds = Math.floor(Date.now() / 1000);
    let cursor: string | undefined;
    const splitter = new LineSplitter({
      line: (text) => cursor = decodeEntry(text)?.cursor ?? cursor,
      tooLong: () => {},
    });
    for await (const block of this.#run(["--lines=1"], signal)) splitter.push(block);
    splitter.end();
    return cursor === undefined ? { kind: "time", seconds } : { kind: "cursor", cursor };
  }

  #format(place: Place): string {
    const units = (this.#settings.units ?? []).join(",");
    return `${place.kind === "cursor" ? place.cursor : `@${place.seconds}`}|${units}`;
  }

  #parse(from: string | undefined): {
    readonly place: Place | undefined;
    /** Else the entry read last may be there and not be shown. */
    readonly hasSameUnits: boolean;
    readonly notice: SourceNotice | undefined;
  } {
    if (from === undefined) return { place: undefined, hasSameUnits: true, notice: undefined };
    const [text = "", units] = from.split("|", 2);
    const hasSameUnits = units === (this.#settings.units ?? []).join(",");
    if (isCursor(text)) {
      return { place: { kind: "cursor", cursor: text }, hasSameUnits, notice: undefined };
    }
    if (/^@\d{1,12}$/.test(text)) {
      const seconds = Number(text.slice(1));
      return { place: { kind: "time", seconds }, hasSameUnits, notice: undefined };
    }
    const message = "Cannot use the position in the journal: it has no cursor";
    const notice = { id: `position_lost:${from}`, reason: "position_lost", message, facts: {} };
    return { place: undefined, hasSameUnits, notice };
  }
}

function startArgs(place: Place | undefined): readonly string[] {
  if (place === undefined) return [];
  // Not `--after-cursor`: where that entry is gone, it leaves out the one that stands in its place.
  if (place.kind === "cursor") return [`--cursor=${place.cursor}`];
  return [`--since=@${place.seconds}`];
}

type JournalEvent = RawEvent & { readonly cursor: string | undefined };

/** Makes events of lines. */
class EntryCollector {
  readonly events: JournalEvent[] = [];
  readonly notices: SourceNotice[] = [];
  readonly #origin: string;
  readonly #counts: { entries: number; bad_lines: number; long_lines: number };
  readonly #expectsLast: boolean;
  /** Of the entry read last. */
  cursor: string | undefined;
  #isFirst: boolean;
  /** Lines since that entry that were none. */
  #badLines = 0;

  constructor(
    cursor: string | undefined,
    expectsLast: boolean,
    origin: string,
    counts: { entries: number; bad_lines: number; long_lines: number },
  ) {
    this.cursor = cursor;
    this.#isFirst = cursor !== undefined;
    this.#expectsLast = expectsLast;
    this.#origin = origin;
    this.#counts = counts;
  }

  line(text: string): void {
    if (text.trim() === "") return;
    const entry = decodeEntry(text);
    if (entry === undefined) {
      // Whoever decodes lines makes a dead letter of it.
      this.#counts.bad_lines++;
      const recordId = `${this.cursor ?? "start"}+${++this.#badLines}`;
      this.events.push({ payload: text, recordId, origin: this.#origin, cursor: this.cursor });
      return;
    }
    const before = this.cursor;
    const { cursor, event } = entry;
    if (this.#isFirst) {
      this.#isFirst = false;
      if (isSameEntry(before!, cursor)) return;
      if (this.#expectsLast) this.notices.push(lost(before!, cursor));
    }
    this.#counts.entries++;
    this.cursor = cursor;
    this.#badLines = 0;
    this.events.push({ payload: event, recordId: cursor, origin: this.#origin, cursor });
  }

  tooLong(_offset: number, bytes: number): void {
    this.#counts.long_lines++;
    const message = `an entry of ${bytes} bytes in the journal was too long and is lost`;
    const id = `long_line:${this.cursor ?? "start"}+${++this.#badLines}`;
    this.notices.push({ id, reason: "long_line", message, facts: { bytes } });
  }
}

function lost(before: string, next: string): SourceNotice {
  return {
    id: `event_loss:${before}`,
    reason: "event_loss",
    message: "the journal no longer has the entry that was read last: it was rotated out, and " +
      "entries behind it may have been as well",
    facts: { last_cursor: before, next_cursor: next },
  };
}
