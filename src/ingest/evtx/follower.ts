/**
 * One live log: what is new in it at each look.
 *
 * The chunks of a log are a ring, so what is new is told by record ids, never by offsets: the reader
 * knows the record it read last by id and time, finds the chunk that holds it, and goes on from
 * there, chunk by chunk as long as ids continue. Whenever something does not fit (that record is
 * gone or is another one, an id is missing, a record is half written) it waits for a few looks, since
 * somebody is writing; if it is still so, it looks for an archive that holds what is missing, and
 * else tells what was lost and goes on.
 */
import type { EvtxDecoder } from "../../decode/evtx/decoder.ts";
import type { RawEvent, SourceNotice } from "../../runtime/plugin.ts";
import { archivesAfter, archivesFrom } from "./archives.ts";
import {
  type ChunkHead,
  type ChunkRead,
  LogFile,
  type LogRecord,
  type RecordName,
} from "./log_file.ts";
import { type Mark, NO_RECORD } from "./mark.ts";
import { logCleared, Losses } from "./notices.ts";

/** A look reads at most 1 MiB, lest one log keep the others waiting. */
const CHUNKS_PER_LOOK = 16;
/** What does not fit must do so for this many looks, one after another. */
const SETTLED_LOOKS = 3;
/** A log that seems idle is searched through after so many looks: 10 s by default, 60 s for large ones. */
const SURVEY_LOOKS = 20;
const SURVEY_LOOKS_LARGE = 120;
const LARGE_CHUNKS = 4096;

/** What one look brought. */
export interface Look {
  readonly events: readonly RawEvent[];
  readonly notices: readonly SourceNotice[];
  /** There is more to be read at once. */
  readonly more: boolean;
}

/** Counts under the names of `SourceHealth.counts`. */
export interface FollowerCounts {
  records: number;
  looks: number;
  /** Looks that found nothing changed. */
  idle_looks: number;
  surveys: number;
  /** Damaged records, or parts of chunks, that were stepped over. */
  damaged: number;
  /** Chunks of the file that are none, at the last survey. */
  damaged_chunks: number;
  lost_records: number;
  clears: number;
  archives: number;
}

/** What kept a look from going on. */
type Halt = "end" | "unsettled" | "restarted";

const NOTHING: Look = { events: [], notices: [], more: false };

/** Follows the log at a path. All calls are synchronous: a look takes well under a millisecond. */
export class LogFollower {
  readonly origin: string;
  readonly path: string;
  readonly counts: FollowerCounts = {
    records: 0,
    looks: 0,
    idle_looks: 0,
    surveys: 0,
    damaged: 0,
    damaged_chunks: 0,
    lost_records: 0,
    clears: 0,
    archives: 0,
  };
  readonly #decoder: EvtxDecoder;
  #startAt: "start" | "end";
  #mark: Mark | undefined;
  /** Archives to be read before the log itself. */
  #chain: readonly string[] = [];
  /** The chunk with the record read last, and where that record ends in it. */
  #chunk: number | undefined;
  #end = 0;
  /** What `#find` read of that chunk on the way. */
  #found: ChunkRead | undefined;
  /** Problems of that chunk. */
  #problems = 0;
  /** The first id of the latest chunk that gave nothing, though its place is behind the last record. */
  #fruitless = 0n;
  #plan: readonly ChunkHead[] = [];
  #planned = "";
  #probed: { readonly key: string; readonly bytes: Uint8Array } | undefined;
  #idleLooks = 0;
  /** Looks that something has not fitted for, and the ids that need no more waiting. */
  #unsettledLooks = 0;
  #settledTo = 0n;
  /** The archive read before the file that comes now, nothing of which has been read. */
  #archive: string | undefined;

  /** @param mark Where to go on; without one at `startAt` of what is there now. */
  constructor(
    origin: string,
    path: string,
    decoder: EvtxDecoder,
    startAt: "start" | "end",
    mark?: Mark,
  ) {
    this.origin = origin;
    this.path = path;
    this.#decoder = decoder;
    this.#startAt = startAt;
    this.#mark = mark;
  }

  /** How far the log has been read; `undefined` before it was first seen. */
  get mark(): Mark | undefined {
    return this.#mark;
  }

  /** Records known to be unread. */
  get lag(): number {
    const newest = this.#plan.at(-1)?.id ?? 0n;
    const last = this.#mark?.last.id ?? 0n;
    return newest > last ? Number(newest - last) : 0;
  }

  /** The log is not there yet: all it will have is new. */
  beginAtStart(): void {
    this.#startAt = "start";
  }

  /**
   * Reads what is new; at most 1 MiB of it.
   *
   * Throws the error of the system if the log cannot be opened or read, with its `code`.
   */
  look(): Look {
    this.counts.looks++;
    for (let archive = this.#chain[0]; archive !== undefined; archive = this.#chain[0]) {
      const look = this.#lookAtArchive(archive);
      if (look.more) return look;
      this.#chain = this.#chain.slice(1);
      this.#leaveFile();
      this.#archive = archive;
      if (look.events.length > 0 || look.notices.length > 0) return { ...look, more: true };
    }
    using file = LogFile.open(this.path);
    if (this.#archive !== undefined) {
      // More may have been archived meanwhile; not between this and the opening of the file.
      this.#chain = archivesAfter(this.path, this.#archive);
      this.counts.archives += this.#chain.length;
      if (this.#chain.length > 0) return { ...NOTHING, more: true };
    }
    if (!file.isLog) {
      if (this.#mark === undefined) this.beginAtStart();
      return NOTHING;
    }
    if (!this.#hasChanged(file)) {
      this.counts.idle_looks++;
      return NOTHING;
    }
    return this.#read(file, true);
  }

  #lookAtArchive(path: string): Look {
    try {
      using file = LogFile.open(path);
      return this.#read(file, false);
    } catch {
      return NOTHING; // What it held is missed when the next file is read, and told then.
    }
  }

  /** @param isLive Whether the file is being written, so that odd things may come right. */
  #read(file: LogFile, isLive: boolean): Look {
    if (this.#mark === undefined) {
      this.#mark = this.#firstMark(file);
      // The position is worth telling, even without a record.
      return { events: [], notices: [], more: true };
    }
    const reading = new Reading(this.origin);
    let halt = this.#readOn(file, reading, isLive);
    if (halt === "unsettled" || halt === "restarted") {
      if (reading.isEmpty) this.#unsettledLooks++;
      const isSettled = !isLive || this.#unsettledLooks >= SETTLED_LOOKS;
      this.#chunk = undefined; // Look again, whether it has changed or not.
      if (isSettled) {
        this.#settle(file, halt, reading, isLive);
        // At once, so that a log that began anew has a record to be known by.
        halt = this.#chain.length > 0 ? undefined : this.#readOn(file, reading, isLive);
      }
    } else this.#unsettledLooks = 0;
    const notices = reading.notices();
    this.counts.records += reading.events.length;
    this.counts.lost_records += Number(reading.losses.records);
    const more = halt === undefined;
    return { events: reading.events, notices, more };
  }

  /** Reads up to 16 chunks; `undefined` if there are more. */
  #readOn(file: LogFile, reading: Reading, isLive: boolean): Halt | undefined {
    let halt = this.#find(file);
    for (let chunks = 1; halt === undefined && chunks <= CHUNKS_PER_LOOK; chunks++) {
      halt = this.#readChunk(file, reading, isLive) ?? this.#toNextChunk(file, chunks);
    }
    return halt;
  }

  #firstMark(file: LogFile): Mark {
    const plan = this.#survey(file);
    const head = plan.at(-1);
    if (head === undefined) return { last: NO_RECORD, anchor: NO_RECORD, quiet: "first" };
    const newest = file.readChunk(head.index, 0n, this.#decoder).records.at(-1) ?? head;
    if (this.#startAt === "start") {
      return { last: NO_RECORD, anchor: nameOf(plan[0]!), quiet: newest.id };
    }
    return { last: nameOf(newest), anchor: nameOf(head), quiet: 0n };
  }

  /** Makes `#chunk` the one to go on with: that of the record read last, or else the one behind it. */
  #find(file: LogFile): Halt | undefined {
    const { last, anchor } = this.#mark!;
    if (this.#chunk !== undefined) {
      this.#found = file.readChunk(this.#chunk, last.id, this.#decoder);
      if (this.#found.afterTicks === last.ticks) return undefined;
      this.#found = undefined;
    }
    const plan = this.#survey(file);
    if (plan.length === 0) return "end";
    if (last.id === 0n) {
      const [oldest] = plan;
      this.#chunk = oldest!.index;
      const isSame = oldest!.id > anchor.id || plan.some((head) => isEqualName(head, anchor));
      return isSame ? undefined : this.#restart();
    }
    const holder = plan.findLast(({ id }) => id <= last.id);
    this.#chunk = (holder ?? plan[0]!).index;
    if (holder === undefined) return undefined;
    const read = file.readChunk(holder.index, last.id, this.#decoder);
    if (read.afterTicks === last.ticks) {
      this.#found = read;
      return undefined;
    }
    if (read.afterTicks !== undefined) return this.#restart();
    // The record itself is damaged or gone. It is still the same log if its chunk is the same, or if
    // older records than its chunk's are followed by newer ones.
    if (isEqualName(holder, anchor)) return undefined;
    if (plan.at(-1) !== holder && holder.ticks <= last.ticks) return undefined;
    return this.#restart();
  }

  /** The ids began anew. That is to be expected of what follows an archive. */
  #restart(): Halt | undefined {
    if (this.#archive === undefined) return "restarted";
    this.#archive = undefined;
    this.#mark = { last: NO_RECORD, anchor: NO_RECORD, quiet: 0n };
    this.#chunk = this.#plan[0]!.index;
    this.#settledTo = 0n;
    this.#fruitless = 0n;
    return undefined;
  }

  #readChunk(file: LogFile, reading: Reading, isLive: boolean): Halt | undefined {
    const chunk = this.#chunk!;
    const read = this.#found ?? file.readChunk(chunk, this.#mark!.last.id, this.#decoder);
    this.#found = undefined;
    this.#problems = read.problems.length;
    const head = file.head(chunk);
    if (read.records.length === 0) {
      this.#end = read.end;
      const isNewest = this.#plan.at(-1)?.index === chunk;
      if (!isNewest && head !== undefined && head.id > this.#mark!.last.id) {
        this.#fruitless = head.id;
      }
      return undefined;
    }
    for (const record of read.records) {
      const { last, anchor: oldest, quiet } = this.#mark!;
      const isOld = quiet !== "first" && record.id <= quiet;
      // Before anything was read, the oldest record that was seen is expected.
      const isFirst = last.id === 0n && oldest.id !== 0n;
      const expected = isFirst ? oldest.id : last.id + 1n;
      const isGap = record.id !== expected && quiet !== "first" && (isFirst || !isOld);
      const isOdd = isGap || (!record.isWhole && !isOld);
      if (isLive && isOdd && record.id > this.#settledTo) return "unsettled";
      if (isGap) reading.losses.add(last, expected, record.id - 1n);
      reading.add(record);
      const anchor = nameOf(head ?? record);
      this.#mark = { last: nameOf(record), anchor, quiet: quiet === "first" ? 0n : quiet };
    }
    this.#archive = undefined;
    this.#unsettledLooks = 0;
    this.#end = read.end;
    return undefined;
  }

  /** Goes on to the chunk with the next records; `end` if there is none. */
  #toNextChunk(file: LogFile, chunks: number): Halt | undefined {
    const { last } = this.#mark!;
    const next = file.nextChunk(this.#chunk!);
    let head = file.head(next);
    if (head === undefined || head.id !== last.id + 1n) {
      // Each chunk is tried once, so that no two can send us back and forth.
      const floor = last.id > this.#fruitless ? last.id : this.#fruitless;
      const isStale = this.#planned !== planKey(file);
      head = this.#plan.find(({ id }) => id > floor);
      if (isStale || (head !== undefined && head.id !== file.head(head.index)?.id)) {
        head = this.#survey(file).find(({ id }) => id > floor);
      }
    }
    if (head === undefined || head.index === this.#chunk) return "end";
    this.counts.damaged += this.#problems;
    if (chunks < CHUNKS_PER_LOOK) this.#chunk = head.index;
    return undefined;
  }

  /** What did not fit still does not: it is in an archive, or it is lost. */
  #settle(file: LogFile, halt: Halt, reading: Reading, isLive: boolean): void {
    this.#unsettledLooks = 0;
    const { last, anchor } = this.#mark!;
    const known = last.id === 0n ? anchor : last;
    if (isLive && this.#archive === undefined && known.id !== 0n) {
      const archives = archivesFrom(this.path, known, this.#decoder);
      if (archives.length > 0) {
        this.counts.archives += archives.length;
        this.#chain = archives;
        return;
      }
    }
    if (halt === "restarted") {
      this.counts.clears++;
      reading.clears.push(logCleared(this.origin, known));
      this.#mark = { last: NO_RECORD, anchor: NO_RECORD, quiet: 0n };
    }
    this.#fruitless = 0n;
    this.#settledTo = newestId(file, this.#survey(file), this.#decoder);
  }

  #survey(file: LogFile): readonly ChunkHead[] {
    this.counts.surveys++;
    this.#planned = planKey(file);
    const { heads, foreign } = file.survey();
    this.counts.damaged_chunks = foreign;
    return this.#plan = heads;
  }

  /** Whether a look is worth while: cheap, since most logs are idle most of the time. */
  #hasChanged(file: LogFile): boolean {
    const chunk = this.#chunk;
    if (chunk === undefined) return true;
    const isLarge = file.chunkCount > LARGE_CHUNKS;
    if (++this.#idleLooks >= (isLarge ? SURVEY_LOOKS_LARGE : SURVEY_LOOKS)) {
      this.#idleLooks = 0;
      this.#planned = "";
      this.#probed = undefined;
    }
    const key = `${planKey(file)} ${file.modifiedMs} ${chunk} ${this.#end}`;
    const bytes = file.probe(chunk, this.#end);
    const before = this.#probed;
    this.#probed = { key, bytes };
    return before === undefined || before.key !== key || !isEqual(before.bytes, bytes);
  }

  #leaveFile(): void {
    this.#chunk = undefined;
    this.#plan = [];
    this.#planned = "";
    this.#probed = undefined;
    this.#fruitless = 0n;
  }
}

/** What one look collects. */
class Reading {
  readonly events: RawEvent[] = [];
  readonly clears: SourceNotice[] = [];
  readonly losses: Losses;
  readonly #origin: string;

  constructor(origin: string) {
    this.#origin = origin;
    this.losses = new Losses(origin);
  }

  get isEmpty(): boolean {
    return this.events.length === 0;
  }

  add(record: LogRecord): void {
    this.events.push(new EvtxRawEvent(record, this.#origin));
  }

  notices(): readonly SourceNotice[] {
    return [...this.clears, ...this.losses.notices()];
  }
}

class EvtxRawEvent implements RawEvent {
  readonly payload: LogRecord["event"];
  readonly origin: string;
  readonly #record: LogRecord;

  constructor(record: LogRecord, origin: string) {
    this.payload = record.event;
    this.origin = origin;
    this.#record = record;
  }

  /** Record ids restart when a log is cleared; with the time they are unique. */
  get recordId(): string {
    return `${this.#record.id}@${this.#record.ticks}`;
  }
}

function nameOf({ id, ticks }: RecordName): RecordName {
  return { id, ticks };
}

function isEqualName(a: RecordName, b: RecordName): boolean {
  return a.id === b.id && a.ticks === b.ticks;
}

/** The highest id in the file. */
function newestId(file: LogFile, plan: readonly ChunkHead[], decoder: EvtxDecoder): bigint {
  const head = plan.at(-1);
  if (head === undefined) return 0n;
  const read: ChunkRead = file.readChunk(head.index, head.id, decoder);
  return read.maxId > head.id ? read.maxId : head.id;
}

/** Changes when chunks may have come or gone. */
function planKey(file: LogFile): string {
  return `${file.identity} ${file.size}`;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
