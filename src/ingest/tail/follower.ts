/**
 * Which file holds which content: the bookkeeping of rotation.
 *
 * After each look at the directories every file found is one of these: a generation that is being
 * read, under whatever name; a copy of one; a content that was read before; or something new. Live,
 * the open file decides. After a restart it is device and inode, checked by the fingerprint, and
 * where those fail the fingerprint alone.
 */
import { Buffer } from "node:buffer";
import { leadingNuls } from "../../decode/encoding.ts";
import {
  formatCheckpoint,
  formatKnown,
  formatPosition,
  type Known,
  type Position,
  pruneKnown,
  SLACK_MS,
} from "./checkpoint.ts";
import { type Content, openContent, PlainContent, readHead } from "./content.ts";
import { type Candidate, compareAge, compareImportance, fileId } from "./discover.ts";
import { digest, HEAD_BYTES, Lineage, TAIL_BYTES } from "./fingerprint.ts";
import { isAbsent } from "./failures.ts";
import { Generation } from "./generation.ts";
import type { ReadContext, RotationCounts } from "./record.ts";
import { packingOf } from "./rotated.ts";
import { holds, lastLineStart, type Sample, takeSample } from "./sample.ts";

/** A checkpoint whose file has not been found for that long is given up. */
const FORGET_MS = 7 * 24 * 3600_000;
/** Checkpoints without a file, and origins whose contents are remembered. */
const MAX_GONE = 1000;
export interface FollowerOptions {
  readonly startAt: "start" | "end";
  readonly root: string | undefined;
  readonly context: Omit<ReadContext, "ordinalOf">;
  /** Whether a file that could not be read is to be left alone for now. */
  isResting(path: string): boolean;
  /** Tells that a file cannot be read; says so again for `undefined`, when it can. */
  onFailure(path: string, error: unknown): void;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #context: ReadContext;
  /** Contents being followed; of one origin the older first. */
  generations: Generation[] = [];
  #known: Known[] = [];
  #scannedMs = 0;
  #isFirst: boolean;
  /** A candidate was not there any more, or was another file. */
  #isStale = false;
  /** Files that are of no interest, by id: their size and time when that was found out. */
  #ignored = new Map<string, string>();
  #texts = new WeakMap<Generation, { readonly key: string; readonly text: string }>();
  #knownText: readonly string[] | undefined;
  readonly counts: RotationCounts = {
    rotations: 0,
    truncations: 0,
    replacements: 0,
    lostBytes: 0,
  };

  constructor(options: FollowerOptions, from: Position | undefined) {
    this.#options = options;
    this.#context = { ...options.context, ordinalOf: this.#ordinalOf.bind(this) };
    this.#isFirst = from === undefined;
    if (from === undefined) return;
    this.#scannedMs = from.scannedMs;
    this.#known = [...from.known];
    this.generations = from.files.map((one) =>
      Generation.resume(this.#context, one, packingOf(one.path))
    );
  }

  isOrigin(path: string): boolean {
    return this.generations.some(({ origin }) => origin === path) ||
      this.#known.some(({ origin }) => origin === path);
  }

  get position(): string {
    const files = this.generations.map((one) => this.#text(one));
    this.#knownText ??= this.#known.map(formatKnown);
    return formatPosition(this.#scannedMs, files, this.#knownText);
  }

  /** The position without the time of the last scan: tells whether something has moved. */
  get state(): string {
    const { position } = this;
    return position.slice(position.indexOf('"files"'));
  }

  /**
   * Works out what became of the files.
   *
   * @param nowMs The wall clock. @param monotonicMs The other one.
   * @param isCurrent Whether the candidates still are what is in the directories.
   * @returns `false` if files changed their names meanwhile, so that it must be done again.
   */
  async reconcile(
    candidates: readonly Candidate[],
    nowMs: number,
    monotonicMs: number,
    isCurrent: () => boolean,
  ): Promise<boolean> {
    this.#isStale = false;
    // First, since a copy can only be told while we know that its original is gone.
    // An heir comes at the end of the list and has its turn as well.
    for (let index = 0; index < this.generations.length; index++) {
      const one = this.generations[index]!;
      try {
        if (!one.isIntact()) this.truncated(one, monotonicMs);
      } catch (error) {
        this.#options.onFailure(one.path, error);
      }
    }
    const free = new Map<string, Candidate>();
    // A file with several names counts once; the one it is meant by comes first.
    for (const one of candidates.toSorted(compareImportance)) {
      const id = fileId(one);
      if (!free.has(id)) free.set(id, one);
    }
    const claimed = new Map<Generation, Candidate>();
    await this.#claimByInode(free, claimed);
    await this.#claimByContent(free, claimed);
    const added = await this.#findNew([...free.values()]);
    // A rotation in between: what seems to be missing or new may be neither.
    if (this.#isStale || !isCurrent()) return false;
    const generations: Generation[] = [];
    for (const [one, sample] of added) {
      const generation = await this.#add(one, sample);
      claimed.set(generation, one);
      generations.push(generation);
    }
    this.#insert(generations, claimed, new Map(candidates.map((one) => [fileId(one), one])));
    const ids = new Set(candidates.map(fileId));
    for (const id of this.#ignored.keys()) if (!ids.has(id)) this.#ignored.delete(id);
    this.#retire(claimed, nowMs, monotonicMs);
    this.#isFirst = false;
    this.#scannedMs = nowMs;
    return true;
  }

  /** The file of `generation` holds something else now: that is a generation of its own. */
  truncated(generation: Generation, monotonicMs: number): void {
    const isSmaller = (generation.content?.facts().size ?? 0) < generation.offset;
    if (isSmaller) this.counts.truncations++;
    else this.counts.replacements++;
    const heir = new Generation(
      this.#context,
      generation,
      new Lineage(generation.origin, Buffer.alloc(0)),
      0,
    );
    heir.content = generation.content;
    heir.grownMs = monotonicMs;
    generation.content = undefined;
    generation.isOrphan = true;
    generation.caughtUp = true;
    generation.retiredMs ??= monotonicMs;
    this.generations.push(heir);
    // The copy may have been seen while it was nothing but a copy.
    this.#ignored.clear();
  }

  /** Stops following a generation that has been read to its end. */
  finish(generation: Generation): void {
    generation.close();
    if (generation.isOrphan) {
      this.counts.lostBytes += generation.lag;
    }
    this.generations = this.generations.filter((one) => one !== generation);
    if (generation.headStretch.length > 0) this.#remember(generation.known());
    else this.#ignored.set(fileId(generation), `${generation.size}/${generation.mtimeMs}`);
  }

  /** Whether a later content of the same origin is being followed. */
  isReplaced(generation: Generation): boolean {
    const index = this.generations.indexOf(generation);
    return this.generations.some((one, at) => at > index && one.origin === generation.origin);
  }

  close(): void {
    for (const one of this.generations) one.close();
  }

  #remember(known: Known): void {
    this.#known = pruneKnown([...this.#known, known]);
    this.#knownText = undefined;
  }

  #text(generation: Generation): string {
    const checkpoint = generation.checkpoint();
    const { offset, path, mtimeMs, partial, head, tail, goneMs, ino, isOrphan, json, audit } =
      checkpoint;
    const key =
      `${offset}/${path}/${mtimeMs}/${partial?.end}/${head.length}/${tail.end}/${goneMs}/` +
      `${ino}/${isOrphan}/${json?.skip}/${json?.inArray}/${audit?.until}/${audit?.firsts.join()}`;
    const known = this.#texts.get(generation);
    if (known?.key === key) return known.text;
    const text = formatCheckpoint(checkpoint);
    this.#texts.set(generation, { key, text });
    return text;
  }

  #ordinalOf(generation: Generation, key: string): number {
    let next = 0;
    for (const one of this.generations) {
      if (one === generation || one.origin !== generation.origin) continue;
      if (one.lineage.key === key) next = Math.max(next, one.lineage.ordinal + 1);
    }
    for (const one of this.#known) {
      if (one.origin === generation.origin && one.key === key) {
        next = Math.max(next, one.ordinal + 1);
      }
    }
    return next;
  }

  async #claimByInode(
    free: Map<string, Candidate>,
    claimed: Map<Generation, Candidate>,
  ): Promise<void> {
    // The newest first: two may have had the same file, one before it was truncated.
    for (const generation of this.generations.toReversed()) {
      const one = free.get(fileId(generation));
      if (one === undefined || generation.isOrphan) continue;
      // An open file keeps its inode from being given again.
      const isSame = generation.content !== undefined ||
        (generation.isVerified && !generation.hasChanged(one));
      if (!isSame) {
        // Of an empty file nothing but the inode is known, which may be another's by now.
        const isBlank = generation.headStretch.length === 0;
        if (isBlank && (one.packing !== undefined || one.path !== generation.path)) continue;
        if (!(await this.#adopts(generation, one))) continue;
      }
      this.#claim(generation, one, free, claimed);
    }
  }

  async #claimByContent(
    free: Map<string, Candidate>,
    claimed: Map<Generation, Candidate>,
  ): Promise<void> {
    for (const generation of this.generations) {
      if (claimed.has(generation) || generation.headStretch.length === 0) continue;
      const fitting = [...free.values()].filter((one) => this.#mayHold(generation, one));
      // The oldest that fits: where every content has the same header, the next one is ours.
      for (const one of fitting.sort(compareAge)) {
        const sample = await this.#sample(one);
        if (sample === undefined || (await this.#isKnown(one, sample))) continue;
        if (!(await this.#adopts(generation, one))) continue;
        generation.close();
        this.#claim(generation, one, free, claimed);
        break;
      }
    }
  }

  /** Whether a file that is not the one we know is worth a look at its content. */
  #mayHold(generation: Generation, one: Candidate): boolean {
    if (one.origin !== generation.origin) return false;
    if (generation.content === undefined) return true;
    // Its own file is open and has lost its name. A new one in its place that has all of it is one
    // that was copied and moved there, as rsync does; a short one may be written alike each time.
    return one.path === one.origin && one.packing === undefined &&
      generation.headStretch.length === HEAD_BYTES &&
      one.size >= generation.content.facts().size;
  }

  #claim(
    generation: Generation,
    one: Candidate,
    free: Map<string, Candidate>,
    claimed: Map<Generation, Candidate>,
  ): void {
    free.delete(fileId(one));
    claimed.set(generation, one);
    if (generation.path !== one.path && generation.path === generation.origin) {
      this.counts.rotations++;
    }
    generation.path = one.path;
    generation.dev = one.dev;
    generation.ino = one.ino;
    generation.packing = one.packing;
    generation.size = Math.max(generation.size, one.size);
    generation.isOrphan = false;
    generation.isDeleted = false;
    generation.goneMs = undefined;
  }

  /** Whether the file holds the content of `generation`, which then can go on in it. */
  async #adopts(generation: Generation, one: Candidate): Promise<boolean> {
    const { headStretch: head, tailStretch: tail, offset } = generation;
    if (one.packing === undefined && one.size < Math.max(offset, tail.end, head.end)) return false;
    return await this.#open(one, async (content) => {
      const begin = Buffer.alloc(HEAD_BYTES);
      const length = await readHead(content, begin, generation.lineage.base);
      if (length < head.length || digest(begin.subarray(0, head.length)) !== head.hash) {
        return false;
      }
      const before = Buffer.alloc(Math.min(TAIL_BYTES, offset));
      if (content instanceof PlainContent) {
        if (!(await holds(content, tail))) return false;
        await content.read(before, offset - before.length);
      }
      const isBlank = head.length === 0 && leadingNuls(begin.subarray(0, length)) > 0;
      const isPlain = content instanceof PlainContent;
      generation.adopt(
        isBlank ? Buffer.alloc(0) : begin.subarray(0, length),
        isPlain ? before : Buffer.alloc(0),
      );
      return true;
    }) ?? false;
  }

  /** What is new among the candidates, with what is known of its content. */
  async #findNew(candidates: readonly Candidate[]): Promise<Map<Candidate, Sample>> {
    const found = new Map<Candidate, Sample>();
    for (const one of candidates.toSorted(compareAge)) {
      const id = fileId(one);
      const state = `${one.size}/${one.mtimeMs}`;
      if (this.#ignored.get(id) === state) continue;
      const sample = await this.#sample(one);
      if (sample === undefined) continue;
      const isRotated = one.path !== one.origin;
      if (isRotated && (await this.#isOld(one, sample))) {
        this.#ignored.set(id, state);
      } else if (this.#isFirst && !one.active) {
        await this.#rememberOld(one, sample);
        this.#ignored.set(id, state);
      } else {
        found.set(one, sample);
      }
    }
    return found;
  }

  /**
   * Puts new generations in their places by age: older contents are read first, and numbered first.
   * Those that were there are in order. One that was packed while it was open is where its copy is.
   */
  #insert(
    added: readonly Generation[],
    claimed: ReadonlyMap<Generation, Candidate>,
    byId: ReadonlyMap<string, Candidate>,
  ): void {
    for (const generation of added) {
      const own = claimed.get(generation)!;
      const at = this.generations.findIndex((one) => {
        const other = claimed.get(one) ?? byId.get(one.copyId ?? "");
        return one.origin === generation.origin && other !== undefined &&
          compareAge(own, other) < 0;
      });
      this.generations.splice(at < 0 ? this.generations.length : at, 0, generation);
    }
  }

  async #add(one: Candidate, sample: Sample): Promise<Generation> {
    const lineage = new Lineage(one.origin, sample.head);
    lineage.base = sample.base;
    const { encoding } = this.#context;
    const atEnd = this.#isFirst && this.#options.startAt === "end" &&
      !(one.literal && one.packing !== undefined);
    const offset = atEnd
      ? await this.#open(one, (content) => lastLineStart(content, sample, encoding)) ?? 0
      : 0;
    const generation = new Generation(this.#context, one, lineage, offset);
    generation.size = one.size;
    const before = Buffer.alloc(Math.min(TAIL_BYTES, offset));
    if (offset > 0 && one.packing === undefined) {
      await this.#open(one, (content) => content.read(before, offset - before.length));
      generation.adopt(lineage.head, before);
    }
    return generation;
  }

  /** Whether the content was read before, is a copy of one that is, or was old when we began. */
  async #isOld(one: Candidate, sample: Sample): Promise<boolean> {
    if (await this.#isKnown(one, sample)) return true;
    if (this.#isCopy(one, sample)) return true;
    if (this.#isFirst) return one.active ? false : !this.#isRecent(one);
    return !this.#isRecent(one);
  }

  /** Whether it was written to after what was read last. */
  #isRecent(one: Candidate): boolean {
    let newest: number | undefined;
    for (const { origin, mtimeMs } of [...this.generations, ...this.#known]) {
      if (origin === one.origin) newest = Math.max(newest ?? 0, mtimeMs);
    }
    return one.mtimeMs >= (newest ?? this.#scannedMs) - SLACK_MS;
  }

  #isCopy(one: Candidate, sample: Sample): boolean {
    if (sample.head.length === 0) return false;
    const original = this.generations.find((generation) => {
      if (generation.origin !== one.origin || generation.isOrphan) return false;
      if (!generation.isVerified || generation.goneMs !== undefined) return false;
      const { head } = generation.lineage;
      if (sample.head.length > head.length || !generation.lineage.beginsLike(sample.head)) {
        return false;
      }
      const size = generation.content?.facts().size ?? generation.size;
      return one.packing !== undefined || generation.packing !== undefined || one.size <= size;
    });
    if (original !== undefined) original.copyId = fileId(one);
    return original !== undefined;
  }

  async #isKnown(one: Candidate, sample: Sample): Promise<boolean> {
    const fitting = this.#known.filter(({ origin, base, head, size }) =>
      origin === one.origin && base === sample.base && sample.head.length >= head.length &&
      digest(sample.head.subarray(0, head.length)) === head.hash &&
      // A small file is known whole: what goes on behind it is another.
      (one.packing !== undefined
        ? head.length === HEAD_BYTES || sample.head.length === head.length
        : one.size >= size && (head.length === HEAD_BYTES || one.size === size))
    );
    if (fitting.length === 0 || one.packing !== undefined) return fitting.length > 0;
    return await this.#open(one, async (content) => {
      for (const { tail } of fitting) if (await holds(content, tail)) return true;
      return false;
    }) ?? false;
  }

  async #rememberOld(one: Candidate, { base, head }: Sample): Promise<void> {
    if (head.length === 0 || !this.#isRecent(one)) return;
    const end = head.indexOf(10);
    const hash = digest(head);
    this.#remember({
      origin: one.origin,
      base,
      head: { end: base + head.length, length: head.length, hash },
      tail: { end: 0, length: 0, hash: digest(Buffer.alloc(0)) },
      key: digest(end < 0 ? head : head.subarray(0, end + 1)),
      ordinal: 0,
      size: one.packing === undefined ? one.size : base + head.length,
      mtimeMs: one.mtimeMs,
    });
  }

  #retire(claimed: Map<Generation, Candidate>, nowMs: number, monotonicMs: number): void {
    const newest = new Map<string, Generation>();
    for (const one of this.generations) {
      if (claimed.get(one)?.path === one.origin) newest.set(one.origin, one);
    }
    let gone = 0;
    for (const generation of [...this.generations]) {
      const candidate = claimed.get(generation);
      const heir = newest.get(generation.origin);
      const isReplaced = heir !== undefined && heir !== generation;
      if (isReplaced || generation.isOrphan || candidate?.packing !== undefined) {
        generation.retiredMs ??= monotonicMs;
      }
      if (candidate !== undefined) continue;
      if (generation.content !== undefined) {
        if (!generation.isDeleted && !isReplaced) this.counts.rotations++;
        generation.isDeleted = true;
        generation.retiredMs ??= monotonicMs;
        continue;
      }
      generation.caughtUp = true;
      if (!generation.isOrphan) {
        generation.goneMs ??= nowMs;
        const isEmpty = generation.headStretch.length === 0;
        const isOver = nowMs - generation.goneMs > FORGET_MS || isEmpty || ++gone > MAX_GONE;
        if (isOver) this.finish(generation);
      }
    }
  }

  /** `undefined` if it cannot be read now. */
  #sample(one: Candidate): Promise<Sample | undefined> {
    return this.#open(one, takeSample);
  }

  async #open<T>(one: Candidate, use: (content: Content) => Promise<T>): Promise<T | undefined> {
    if (this.#options.isResting(one.path)) return undefined;
    let content: Content | undefined;
    try {
      content = openContent(one.path, one.packing, this.#options.root);
      const facts = content.facts();
      if (fileId(facts) !== fileId(one) || facts.size < one.size) {
        this.#isStale = true;
        return undefined;
      }
      const result = await use(content);
      this.#options.onFailure(one.path, undefined);
      return result;
    } catch (error) {
      if (isAbsent(error)) this.#isStale = true;
      else this.#options.onFailure(one.path, error);
      return undefined;
    } finally {
      content?.close();
    }
  }
}
