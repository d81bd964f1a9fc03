/**
 * The loop of a file source: look, read, give out, wait.
 */
import { Buffer } from "node:buffer";
import { basename } from "node:path";
import type { EventBatch, SourceNotice } from "../../runtime/plugin.ts";
import type { FileSourceSettings } from "../../runtime/settings.ts";
import { AuditOrigins } from "./audit_lines.ts";
import type { Position } from "./checkpoint.ts";
import { openContent } from "./content.ts";
import { type Candidate, Discovery, factsOf } from "./discover.ts";
import type { TextCounts } from "./encoding.ts";
import { codeOf, isAbsent, messageOf } from "./failures.ts";
import { TAIL_BYTES } from "./fingerprint.ts";
import { Follower } from "./follower.ts";
import type { Generation } from "./generation.ts";
import type { JoinCounts } from "./multiline.ts";
import type { FileEvent, RotationCounts } from "./record.ts";
import { Wake } from "./wake.ts";

const DEFAULT_MAX_LINE_BYTES = 1 << 20;
const DEFAULT_POLL_MS = 250;
/** One batch: what is worth a commit of its own. */
const MAX_BATCH_EVENTS = 4096;
const MAX_BATCH_BYTES = 1 << 20;
/** The buffer for reading holds the longest line; short limits do not make reading slow. */
const MIN_BUFFER = 256 << 10;
/** Read from one file before the next one has its turn. */
const TURN_BYTES = 4 << 20;
/** The shortest pause between two looks, so that a log that is written line by line costs little. */
const SETTLE_MS = 10;
/** Directories are listed anew that often although nothing seems to have changed. */
const RESCAN_MS = 5000;
/** More directories than these are looked at only when the interval has passed. */
const FEW_DIRECTORIES = 16;
const FIRST_BACKOFF_MS = 1000;
const LAST_BACKOFF_MS = 60_000;
/** Tries at a picture of directories in which files are being renamed. */
const MAX_SCANS = 20;
/** A rotated file that cannot be read (a damaged archive) is given up. */
const GIVE_UP_MS = 600_000;

/** Formats of sources whose audit records are joined without being asked for. */
const AUDIT_FORMATS: ReadonlySet<string> = new Set(["auto", "auditd"]);

/** A file that cannot be read, or can again. */
export interface FileProblem {
  readonly path: string;
  /** What `node:fs` says: `EACCES`, `EMFILE`, `EIO`; empty when it can be read again. */
  readonly code: string;
  readonly message: string;
}

export interface FileSourceOptions {
  /** Called once for each change of a file's state. */
  readonly onProblem?: (problem: FileProblem) => void;
  /** Whether to use the file system's notifications besides asking. Default `true`. */
  readonly watch?: boolean;
  /** How long a file that has been replaced is watched for late writers. Default 30,000. */
  readonly lateMs?: number;
  /** The same for a file that was deleted and not replaced. Default 5,000. */
  readonly deletedMs?: number;
  /** When a line without an end is given out. Default 2,000. */
  readonly partialMs?: number;
  /** When lines that may belong to a longer event are given out. Default 5,000. */
  readonly heldMs?: number;
  /** Files that are open at the same time. Default 256. */
  readonly maxOpen?: number;
}

export interface ReadCounts extends TextCounts, JoinCounts {
  events: number;
}

/** A file that cannot be read at present. */
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly delayMs: number;
  readonly untilMs: number;
}

export class Following {
  readonly #settings: FileSourceSettings;
  readonly #options: FileSourceOptions;
  readonly #counts: ReadCounts;
  readonly #discovery: Discovery;
  readonly #follower: Follower;
  readonly #wake: Wake;
  readonly #pollMs: number;
  readonly #isNew: boolean;
  readonly #failures = new Map<string, Failure>();
  #events: FileEvent[] = [];
  #notices: SourceNotice[] = [];
  /** Read since the last batch. */
  #bytes = 0;
  #isScanDue = true;
  #scannedMs = 0;
  #polledMs = 0;
  /** Something was left unread because others have their turn. */
  #isHungry = false;
  /** What the position says may have changed. */
  #isMoved = false;
  /** Files that have not changed since they were read to their end. */
  readonly #quiet = new Set<Generation>();

  constructor(
    settings: FileSourceSettings,
    options: FileSourceOptions,
    from: Position | undefined,
    counts: ReadCounts,
  ) {
    this.#settings = settings;
    this.#options = options;
    this.#counts = counts;
    this.#isNew = from === undefined;
    this.#pollMs = settings.pollMs ?? DEFAULT_POLL_MS;
    this.#discovery = new Discovery(settings);
    this.#wake = new Wake(options.watch ?? true);
    const maxLineBytes = Math.max(2, settings.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES) & ~1;
    this.#follower = new Follower({
      startAt: settings.startAt ?? "end",
      root: settings.root,
      context: {
        buffer: Buffer.allocUnsafe(Math.max(MIN_BUFFER, maxLineBytes + 4) + 2 * TAIL_BYTES),
        encoding: settings.encoding,
        multiline: settings.multiline,
        joinsAudit: settings.multiline === undefined &&
          AUDIT_FORMATS.has(settings.format ?? "auto"),
        auditOrigins: new AuditOrigins(counts),
        maxLineBytes,
        counts,
        emit: (event) => this.#emit(event),
        notice: (notice) => this.#notices.push(notice),
        isCurrent: () => this.#discovery.isCurrent(),
      },
      isResting: (path) => (this.#failures.get(path)?.untilMs ?? 0) > performance.now(),
      onFailure: (path, error) => this.#noteFailure(path, error),
    }, from);
  }

  get generations(): readonly Generation[] {
    return this.#follower.generations;
  }

  get rotationCounts(): Readonly<RotationCounts> {
    return this.#follower.counts;
  }

  /** Why files cannot be read, one text each. */
  get failures(): readonly string[] {
    return [...this.#failures.values()].map(({ message }) => message);
  }

  isFailing(path: string): boolean {
    return this.#failures.has(path);
  }

  close(): void {
    this.#wake.close();
    this.#follower.close();
  }

  async *batches(signal: AbortSignal): AsyncGenerator<EventBatch> {
    let state = "";
    let isWoken = false;
    for (let round = 0;; round++) {
      signal.throwIfAborted();
      const startedMs = performance.now();
      await this.#look(startedMs);
      if (round === 0) {
        state = this.#follower.state;
        // Where everything begins is on disk before the first record is.
        if (this.#isNew) yield { events: [], position: this.#follower.position };
      }
      const waiting = new Set<string>();
      for (const generation of [...this.#follower.generations]) {
        if (waiting.has(generation.origin) || this.#isQuiet(generation)) continue;
        yield* this.#turn(generation, signal);
        const isStuck = this.#failures.has(generation.path);
        if (!generation.caughtUp && !isStuck) waiting.add(generation.origin);
      }
      await this.#settle(performance.now());
      if (this.#events.length + this.#notices.length > 0) {
        yield this.#batch();
        state = this.#follower.state;
      } else if (this.#isMoved) {
        const { position } = this.#follower;
        if (this.#follower.state !== state) yield { events: [], position };
        state = this.#follower.state;
      }
      const isBusy = this.#isMoved || isWoken || this.#isScanDue;
      this.#isMoved = false;
      if (!this.#isHungry) {
        // A quiet source wakes once an interval, for a wake-up costs more than looking.
        const spentMs = performance.now() - startedMs;
        const restMs = isBusy ? Math.max(1, SETTLE_MS - spentMs) : 0;
        const longestMs = this.#isScanDue ? restMs : this.#pollMs;
        isWoken = await this.#wake.wait(restMs, longestMs, signal);
      }
      this.#isHungry = false;
    }
  }

  /** Looks for files that came, went or changed their names. */
  async #look(nowMs: number): Promise<void> {
    this.#quiet.clear();
    const isPoll = nowMs - this.#polledMs >= this.#pollMs * 0.9 || this.#polledMs === 0;
    const wallMs = Date.now();
    if (isPoll) {
      this.#polledMs = nowMs;
      for (const one of this.#follower.generations) this.#poll(one);
      if (nowMs - this.#scannedMs >= RESCAN_MS) this.#isScanDue = true;
    }
    const { directories } = this.#discovery;
    const isCheap = directories.length <= FEW_DIRECTORIES;
    if (!this.#isScanDue && (isPoll || isCheap)) {
      this.#isScanDue = this.#discovery.hasChanged(wallMs);
    }
    if (!this.#isScanDue) return;
    this.#isScanDue = false;
    this.#scannedMs = nowMs;
    const isOrigin = (path: string) => this.#follower.isOrigin(path);
    const isCurrent = () => this.#discovery.isCurrent();
    let candidates: readonly Candidate[];
    for (let attempt = 1;; attempt++) {
      candidates = this.#discovery.scan(Date.now(), isOrigin);
      // A directory that never rests is taken as it is in the end.
      const isLast = attempt === MAX_SCANS;
      if (
        await this.#follower.reconcile(
          candidates,
          wallMs,
          nowMs,
          isLast ? () => true : isCurrent,
        )
      ) {
        break;
      }
      if (isLast) {
        this.#isScanDue = true;
        break;
      }
    }
    this.#noteProblems(new Set(candidates.map(({ path }) => path)));
    const names = new Set(this.#follower.generations.map(({ path }) => basename(path)));
    this.#wake.watch(this.#discovery.directories, names);
    this.#isMoved = true;
  }

  /**
   * Looks whether a file still stands at its origin, and whether there is anything new in it.
   *
   * The name may be a link into a directory that we do not watch, so the file itself is asked. Most
   * files are quiet most of the time, and one call of `stat` is all that they cost.
   */
  #poll(generation: Generation): void {
    const { path, origin } = generation;
    if (path !== origin || generation.retiredMs !== undefined) return;
    if (generation.isOrphan || generation.goneMs !== undefined) return;
    try {
      const facts = factsOf(path);
      if (facts === undefined || !generation.isIn(facts)) this.#isScanDue = true;
      else if (!generation.hasChanged(facts)) this.#quiet.add(generation);
    } catch {
      // Reading it reports why.
    }
  }

  #isQuiet(generation: Generation): boolean {
    if (this.#quiet.has(generation)) return true;
    const { content } = generation;
    if (content === undefined) return false;
    try {
      return !generation.hasChanged(content.facts());
    } catch {
      return false;
    }
  }

  /** Reads a file until its end or until others have their turn. */
  async *#turn(generation: Generation, signal: AbortSignal): AsyncGenerator<EventBatch> {
    const start = generation.offset;
    while (await this.#advance(generation)) {
      signal.throwIfAborted();
      this.#isMoved = true;
      const isFull = this.#events.length >= MAX_BATCH_EVENTS || this.#bytes >= MAX_BATCH_BYTES;
      if (isFull) yield this.#batch();
      if (!generation.hasBlock && generation.offset - start >= TURN_BYTES) {
        this.#isHungry = true;
        return;
      }
    }
  }

  /** Whether lines were read. */
  async #advance(generation: Generation): Promise<boolean> {
    const nowMs = performance.now();
    const { path } = generation;
    const failure = this.#failures.get(path);
    if (failure !== undefined && failure.untilMs > nowMs) return false;
    try {
      if (generation.content === undefined && !this.#open(generation)) return false;
      const limit = MAX_BATCH_EVENTS - this.#events.length;
      const before = generation.offset;
      const outcome = await generation.advance(limit, nowMs);
      this.#bytes += generation.offset - before;
      if (failure !== undefined) this.#noteFailure(path, undefined);
      if (outcome === "replaced") {
        this.#follower.truncated(generation, nowMs);
        this.#isScanDue = true;
        this.#isMoved = true;
      }
      if (outcome === "stale") this.#isScanDue = true;
      return outcome === "lines";
    } catch (error) {
      generation.close();
      if (isAbsent(error)) this.#isScanDue = true;
      else this.#noteFailure(path, error);
      return false;
    }
  }

  /** Opens the file if there may be something new in it. */
  #open(generation: Generation): boolean {
    const { path, packing } = generation;
    if (generation.isOrphan || generation.goneMs !== undefined) return false;
    const facts = factsOf(path);
    if (facts === undefined || !generation.isIn(facts)) {
      this.#isScanDue = true;
      return false;
    }
    if (!generation.hasChanged(facts)) return false;
    this.#makeRoom();
    const content = openContent(path, packing, this.#settings.root);
    if (!generation.isIn(content.facts())) {
      content.close();
      this.#isScanDue = true;
      return false;
    }
    generation.content = content;
    return true;
  }

  /** Closes files that have been quiet longest; they are found again by inode and content. */
  #makeRoom(): void {
    const maxOpen = Math.max(1, this.#options.maxOpen ?? 256);
    const open = this.#follower.generations.filter(({ content }) => content !== undefined);
    if (open.length < maxOpen) return;
    const quiet = open
      .filter((one) => one.caughtUp && one.retiredMs === undefined && !one.hasBlock)
      .sort((a, b) => a.grownMs - b.grownMs);
    for (const one of quiet.slice(0, open.length - maxOpen + 1)) one.close();
  }

  /** Does what is due when nothing comes any more. */
  async #settle(nowMs: number): Promise<void> {
    const { partialMs = 2000, heldMs = 5000, lateMs = 30_000, deletedMs = 5000 } = this.#options;
    for (const one of [...this.#follower.generations]) {
      const quietMs = nowMs - one.grownMs;
      try {
        if (one.hasPartial && one.content !== undefined) {
          if (quietMs >= (one.isJoined ? heldMs : partialMs)) {
            await one.givePartial(false);
            this.#isMoved = true;
          }
        }
        if (one.hasHeld && quietMs >= heldMs) {
          one.flushHeld();
          this.#isMoved = true;
        }
        if (one.retiredMs === undefined || !one.caughtUp) continue;
        const waitedMs = nowMs - Math.max(one.retiredMs, one.grownMs);
        const isReplaced = this.#follower.isReplaced(one);
        if (waitedMs < (one.isDeleted && !isReplaced ? deletedMs : lateMs)) continue;
        if (this.#failures.has(one.path) && waitedMs < GIVE_UP_MS) continue;
        await one.givePartial(true);
        one.flushHeld();
        this.#follower.finish(one);
        this.#isMoved = true;
      } catch (error) {
        this.#noteFailure(one.path, error);
      }
    }
  }

  #emit(event: FileEvent): void {
    this.#events.push(event);
  }

  #batch(): EventBatch {
    const events = this.#events;
    const notices = this.#notices;
    this.#events = [];
    this.#notices = [];
    this.#bytes = 0;
    this.#counts.events += events.length;
    return { events, position: this.#follower.position, ...(notices.length > 0 && { notices }) };
  }

  /** Reports what cannot be looked at, and forgets failures of files that are gone. */
  #noteProblems(found: ReadonlySet<string>): void {
    const { problems } = this.#discovery;
    for (const [path, message] of problems) {
      const code = this.#failures.get(path)?.code ?? "EACCES";
      this.#noteFailure(path, Object.assign(new Error(message), { code }));
    }
    for (const path of this.#failures.keys()) {
      const isFollowed = this.#follower.generations.some((one) => one.path === path);
      if (!problems.has(path) && !found.has(path) && !isFollowed) {
        this.#noteFailure(path, undefined);
      }
    }
  }

  /** Reports a change; `undefined` says that the file can be read. */
  #noteFailure(path: string, error: unknown): void {
    const before = this.#failures.get(path);
    if (error === undefined) {
      if (before === undefined) return;
      this.#failures.delete(path);
      this.#options.onProblem?.({ path, code: "", message: `${path} is no obstacle any more` });
      return;
    }
    if (isAbsent(error)) {
      this.#isScanDue = true;
      return;
    }
    const delayMs = Math.min(LAST_BACKOFF_MS, (before?.delayMs ?? FIRST_BACKOFF_MS / 2) * 2);
    const code = codeOf(error);
    const message = `cannot read ${path}: ${messageOf(error)}`;
    this.#failures.set(path, { code, message, delayMs, untilMs: performance.now() + delayMs });
    if (before?.code !== code) this.#options.onProblem?.({ path, code, message });
  }
}
