/**
 * One content of a log file, from its first line to its last, wherever it lies by now.
 *
 * A generation is followed through renames by its open file, and through copies and compression by
 * its fingerprint. Nothing is kept of an unfinished line but how far it was searched for its end: it
 * is read again when the end is there. So a position is a plain offset, and a hostile line cannot
 * take memory.
 *
 * Reading, searching and giving out stand in one file because they share one place in the content, and a
 * checkpoint is only right if all of them agree on it.
 */
import { Buffer } from "node:buffer";
import { detectEncoding, type Encoding, leadingNuls, unitOf } from "../../decode/encoding.ts";
import { isAudit } from "../../decode/auditd/event.ts";
import type { Multiline } from "../../runtime/settings.ts";
import type { Checkpoint, Known } from "./checkpoint.ts";
import { type Content, PackedContent, PlainContent } from "./content.ts";
import { LineBlock, lineEnd, type LineTarget } from "./encoding.ts";
import { digest, Lineage, type Stretch, TAIL_BYTES, trailingNuls } from "./fingerprint.ts";
import type { Candidate } from "./discover.ts";
import { growHead, growPackedHead, sameHead, skipHole } from "./head.ts";
import { type Joiner, makeJoiner } from "./multiline.ts";
import { cutNotice, FileEvent, NamedEvent, type ReadContext, type ReadOutcome } from "./record.ts";
import type { Packing } from "./rotated.ts";

const LF = 10;
const AUDITD: Multiline = { kind: "auditd" };
/** One read; fits the processor's cache. */
const BLOCK_BYTES = 256 << 10;

/** How often reading waits for a directory to rest. */
const PATIENCE = 10;

export class Generation implements LineTarget {
  readonly lineage: Lineage;
  readonly #context: ReadContext;
  /** Where its file was seen last. */
  path: string;
  dev: bigint;
  ino: bigint;
  packing: Packing | undefined;
  mtimeMs: number;
  /** Of its file, when that was looked at last. */
  size = 0;
  content: Content | undefined;
  /** Its end has been reached at least once; until then later contents of the origin wait. */
  caughtUp = false;
  /** Of the last call that found something new, on the monotonic clock. */
  grownMs = 0;
  /** Since when another content has taken its place, on the monotonic clock. */
  retiredMs: number | undefined;
  /** The id of a file that was seen to have the same content. */
  copyId: string | undefined;
  /** Its file has no name any more. */
  isDeleted = false;
  /** Its file was truncated: what is left of it is in a copy, if anywhere. */
  isOrphan = false;
  /** Since when no file with it has been found; Unix milliseconds. */
  goneMs: number | undefined;
  /** From the position: to be verified before anything is read. */
  #expected: { readonly head: Stretch; readonly tail: Stretch } | undefined;
  /** Of the first byte that has not been taken into a block. */
  #offset: number;
  /** The last bytes in front of `#offset`. */
  #tail: Buffer = Buffer.alloc(0);
  #tailHash: string | undefined;
  /** No line ends between `#offset` and here. */
  #scanned: number;
  /** The next line is known to be longer than a block. */
  #isLong = false;
  #block: LineBlock | undefined;
  #encoding: Encoding | undefined;
  #joiner: Joiner | undefined;
  #partial: Checkpoint["partial"];
  #patience = PATIENCE;
  /** Whether the block in hand is an unfinished line that stays in the file. */
  #isPartial = false;
  /** Size and time of the file when its end was reached last. */
  #seen: { readonly size: number; readonly mtimeMs: number } | undefined;

  constructor(
    context: ReadContext,
    at: Pick<Candidate, "path" | "dev" | "ino" | "packing" | "mtimeMs">,
    lineage: Lineage,
    offset: number,
    from?: Checkpoint,
  ) {
    this.#context = context;
    this.path = at.path;
    this.dev = at.dev;
    this.ino = at.ino;
    this.packing = at.packing;
    this.mtimeMs = at.mtimeMs;
    this.lineage = lineage;
    lineage.writtenMs = at.mtimeMs;
    this.#offset = this.#scanned = offset;
    this.#partial = from?.partial;
    this.goneMs = from?.goneMs;
    if (from !== undefined) {
      this.#expected = { head: from.head, tail: from.tail };
      this.isOrphan = from.isOrphan;
    }
    const { multiline, joinsAudit } = context;
    if (multiline !== undefined) this.#joiner = this.#makeJoiner(multiline, from);
    else if (joinsAudit && from?.audit !== undefined) this.#joiner = this.#makeJoiner(AUDITD, from);
  }

  static resume(context: ReadContext, from: Checkpoint, packing: Packing | undefined): Generation {
    const lineage = new Lineage(from.origin, Buffer.alloc(0));
    lineage.base = from.base;
    lineage.key = from.key;
    lineage.ordinal = from.ordinal;
    return new Generation(context, { ...from, packing }, lineage, from.offset, from);
  }

  get origin(): string {
    return this.lineage.origin;
  }

  /** Whether these are the facts of its file. */
  isIn(facts: { readonly dev: bigint; readonly ino: bigint }): boolean {
    return facts.ino === this.ino && facts.dev === this.dev;
  }

  /** Of the first byte that has not been read; records may begin before it. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes known to be in the file and not given out yet; 0 for a packed one. */
  get lag(): number {
    if (this.packing !== undefined) return 0;
    return Math.max(0, this.size - (this.#block?.offset ?? this.#offset));
  }

  /** Whether its file is known to hold it. */
  get isVerified(): boolean {
    return this.#expected === undefined;
  }

  /** A line without its end is in the file and has not been given out. */
  get hasPartial(): boolean {
    return this.#scanned > (this.#partial?.end ?? this.#offset);
  }

  /** Lines that were read have not all been given out; they lie in the shared buffer. */
  get hasBlock(): boolean {
    return this.#block !== undefined;
  }

  /** Lines are joined, at least some of them. */
  get isJoined(): boolean {
    return this.#joiner !== undefined;
  }

  get hasHeld(): boolean {
    return this.#joiner?.held.offset !== undefined;
  }

  get headStretch(): Stretch {
    if (this.#expected !== undefined) return this.#expected.head;
    const { base, head } = this.lineage;
    return { end: base + head.length, length: head.length, hash: digest(head) };
  }

  get tailStretch(): Stretch {
    if (this.#expected !== undefined) return this.#expected.tail;
    this.#tailHash ??= digest(this.#tail);
    return { end: this.#offset, length: this.#tail.length, hash: this.#tailHash };
  }

  checkpoint(): Checkpoint {
    const held = this.#joiner?.held;
    const taken = this.#block?.offset ?? this.#offset;
    const offset = held?.offset ?? taken;
    const audit = held?.audit;
    const hasJson = held !== undefined && (held.skip > 0 || held.inArray);
    return {
      origin: this.origin,
      path: this.path,
      dev: this.dev,
      ino: this.ino,
      isOrphan: this.isOrphan,
      base: this.lineage.base,
      head: this.headStretch,
      tail: this.tailStretch,
      key: this.lineage.key,
      ordinal: this.lineage.ordinal,
      offset,
      mtimeMs: this.mtimeMs,
      partial: this.#partial,
      json: hasJson ? { skip: held.skip, inArray: held.inArray } : undefined,
      goneMs: this.goneMs,
      ...(audit === undefined ? {} : { audit: { ...audit, until: audit.until ?? taken } }),
    };
  }

  known(): Known {
    return {
      origin: this.origin,
      base: this.lineage.base,
      head: this.headStretch,
      tail: this.tailStretch,
      key: this.lineage.key,
      ordinal: this.lineage.ordinal,
      size: this.#offset,
      mtimeMs: this.mtimeMs,
    };
  }

  /**
   * Takes over a file that was found to hold this content.
   *
   * @param head The first bytes of the file, behind `lineage.base` NULs.
   * @param tail The bytes in front of `offset`; none for a packed file.
   */
  adopt(head: Buffer, tail: Buffer): void {
    if (head.length >= this.lineage.head.length) this.lineage.head = Buffer.from(head);
    this.#tail = Buffer.from(tail);
    this.#tailHash = undefined;
    this.#expected = undefined;
    this.#seen = undefined;
    this.#scanned = this.#offset;
    this.goneMs = undefined;
    if (this.lineage.key === undefined && this.#offset > this.lineage.base) this.#settleKey();
  }

  /** Whether the file behind may hold something new. @throws what `stat` throws */
  hasChanged(facts: { readonly size: number; readonly mtimeMs: number }): boolean {
    return this.#block !== undefined || this.#seen === undefined ||
      facts.size !== this.#seen.size || facts.mtimeMs !== this.#seen.mtimeMs;
  }

  /**
   * Whether the open file still holds this content; learns more of its first bytes.
   *
   * @throws what reading throws
   */
  isIntact(): boolean {
    const { content } = this;
    if (!(content instanceof PlainContent)) return true;
    const { size } = content.facts();
    if (
      size < this.#offset || !growHead(this.lineage, content) ||
      !sameHead(this.lineage, this.content)
    ) {
      return this.#restart() === "idle";
    }
    const tail = Buffer.allocUnsafe(this.#tail.length);
    const count = content.readNow(tail, this.#offset - tail.length);
    return count === tail.length && tail.equals(this.#tail);
  }

  /**
   * Gives out some lines.
   *
   * @param limit How many, at most; joined ones count singly.
   * @param nowMs The monotonic clock.
   * @throws what reading throws; nothing has been skipped then.
   */
  async advance(limit: number, nowMs: number): Promise<ReadOutcome> {
    if (this.#block === undefined) {
      const isFirst = this.lineage.key === undefined && this.#offset === this.lineage.base;
      const outcome = await this.#fill(nowMs);
      if (outcome !== "lines") return outcome;
      // Contents that come first are numbered first, so none may have come and gone unseen.
      if (isFirst && this.#patience > 0 && !this.#context.isCurrent()) {
        this.#patience--;
        this.#rewind(0);
        return "stale";
      }
    }
    this.#take(limit);
    return "lines";
  }

  /**
   * Gives out the last line although its end is missing.
   *
   * Alone, it stays in the file as far as the position is concerned: should it grow, it is given out
   * again as a whole and with the same id, so what was found in its first part is not found twice.
   * With `consume`, and where lines are joined, what follows is another line.
   */
  async givePartial(consume: boolean): Promise<void> {
    const length = Math.min(this.#scanned - this.#offset, this.#context.maxLineBytes + 4);
    if (length <= 0 || this.content === undefined) return;
    const bytes = this.#context.buffer.subarray(0, length);
    const count = await this.content.read(bytes, this.#offset);
    if (count < length || !sameHead(this.lineage, this.content)) return;
    const end = this.#scanned;
    if (consume || this.#joiner !== undefined) {
      if (this.#partial?.end === end) this.#partial = undefined;
      else this.#takeBlock(bytes);
      this.#moveTo(end, bytes);
    } else {
      this.#settleKey();
      this.#partial = { end, chars: 0, stamp: this.lineage.stamp(end) };
      this.#isPartial = true;
      this.#takeBlock(bytes);
      this.#isPartial = false;
    }
  }

  /** Gives out the lines that wait for more of the same event. */
  flushHeld(): void {
    this.#joiner?.flush();
  }

  line(text: string, offset: number, end: number): void {
    if (this.lineage.key === undefined) this.#settleKey();
    const partial = this.#partial;
    if (partial !== undefined) {
      if (this.#isPartial) {
        this.#partial = { ...partial, chars: text.length };
      } else {
        this.#partial = undefined;
        // Nothing but the line end came: this is what was given out before.
        if (text.length === partial.chars) return;
      }
      if (!this.#isPartial && this.#isAudit(text)) {
        this.#joiner ??= this.#makeJoiner(AUDITD);
        this.#joiner.line(text, offset, end);
      } else if (text !== "") {
        const id = `${partial.stamp}:${offset}`;
        this.#context.emit(new NamedEvent(text, this.lineage, id));
      }
    } else if (this.#joiner !== undefined) {
      this.#joiner.line(text, offset, end);
    } else if (this.#isAudit(text)) {
      this.#joiner = this.#makeJoiner(AUDITD);
      this.#joiner.line(text, offset, end);
    } else {
      if (text !== "") this.#context.emit(new FileEvent(text, this.lineage, offset, end));
    }
  }

  /** A line that has no end yet is told of when it has one. */
  cut(offset: number, end: number): void {
    if (this.#isPartial) return;
    this.#settleKey();
    this.#context.notice(cutNotice(this.lineage, offset, end, this.#context.maxLineBytes));
  }

  close(): void {
    this.content?.close();
    this.content = undefined;
  }

  #isAudit(text: string): boolean {
    return this.#context.joinsAudit && isAudit(text);
  }

  #makeJoiner(multiline: Multiline, from?: Checkpoint): Joiner {
    const { counts, auditOrigins } = this.#context;
    const emit = this.#emitJoined.bind(this);
    const audit = { joiner: auditOrigins.of(this.origin), held: from?.audit };
    return makeJoiner(multiline, emit, counts, from?.json, audit);
  }

  #emitJoined(text: string, offset: number, end: number, char: number): void {
    const { lineage } = this;
    this.#context.emit(
      char === 0
        ? new FileEvent(text, lineage, offset, end)
        : new NamedEvent(text, lineage, `${lineage.stamp(end)}:${offset}.${char}`),
    );
  }

  #take(limit: number): void {
    const block = this.#block!;
    block.take(limit, this);
    if (block.isDone) this.#block = undefined;
  }

  #takeBlock(bytes: Buffer): void {
    const { maxLineBytes, counts } = this.#context;
    const encoding = this.#encodingOf();
    new LineBlock(bytes, this.#offset, encoding, maxLineBytes, counts).take(Infinity, this);
  }

  #encodingOf(): Encoding {
    // Decided anew until a line has been read by it: a head of two bytes says little.
    if (this.#encoding === undefined || this.#offset === this.lineage.base) {
      this.#encoding = this.#context.encoding ?? detectEncoding(this.lineage.head);
    }
    return this.#encoding;
  }

  #settleKey(): void {
    if (this.lineage.key !== undefined) return;
    const { head } = this.lineage;
    const end = head.indexOf(LF);
    const key = digest(end < 0 ? head : head.subarray(0, end + 1));
    this.lineage.ordinal = this.#context.ordinalOf(this, key);
    this.lineage.key = key;
  }

  /** Sets the place of reading; `bytes` end there. */
  #moveTo(offset: number, bytes: Buffer): void {
    const tail = bytes.length >= TAIL_BYTES ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = Buffer.from(tail.subarray(-TAIL_BYTES));
    this.#tailHash = undefined;
    this.#offset = this.#scanned = offset;
  }

  /** Reads until there are whole lines or the file ends. */
  async #fill(nowMs: number): Promise<ReadOutcome> {
    const content = this.content!;
    const { buffer } = this.#context;
    const facts = content.facts();
    if (!this.hasChanged(facts)) return "idle";
    this.mtimeMs = this.lineage.writtenMs = facts.mtimeMs;
    this.size = facts.size;
    if (content instanceof PlainContent) {
      if (facts.size < this.#offset || !growHead(this.lineage, content)) return this.#restart();
      // Smaller, or written into where it was allocated before.
      if (facts.size <= (this.#seen?.size ?? 0)) this.#scanned = this.#offset;
    } else if (content instanceof PackedContent && this.#seen !== undefined) {
      // It was still being packed.
      content.restart();
    }
    for (;;) {
      const isSearch = this.#scanned > this.#offset;
      const from = isSearch ? this.#scanned : this.#offset;
      const tailLength = isSearch || this.packing !== undefined ? 0 : this.#tail.length;
      const target = buffer.subarray(0, isSearch || this.#isLong ? buffer.length : BLOCK_BYTES);
      const count = await content.read(target, from - tailLength);
      const sameTail = count >= tailLength &&
        buffer.subarray(0, tailLength).equals(this.#tail.subarray(0, tailLength));
      // After reading, since the file may have been truncated meanwhile.
      if (!sameTail || !sameHead(this.lineage, this.content)) return this.#restart();
      const data = buffer.subarray(tailLength, count);
      const isEnd = count < target.length;
      this.#isLong = false;
      if (this.packing !== undefined) growPackedHead(this.lineage, data, from);
      const found = isSearch ? await this.#search(data, from, isEnd) : this.#cut(data, from, isEnd);
      if (found === "lines" || data.length > 0) this.grownMs = nowMs;
      if (found === "lines") return "lines";
      if (found === "none" && isEnd) {
        this.#seen = facts;
        this.caughtUp = true;
        if (content instanceof PackedContent && content.failure !== undefined) {
          throw content.failure;
        }
        return "idle";
      }
    }
  }

  /** Makes a block of the whole lines at the start of `data`. */
  #cut(data: Buffer, offset: number, isEnd: boolean): "lines" | "none" {
    if (this.lineage.key === undefined && offset === 0) skipHole(this.lineage, data, offset);
    const encoding = this.#encodingOf();
    const end = lineEnd(data, offset, encoding, "last");
    if (end < 0) {
      this.#searched(data, offset, isEnd);
      return "none";
    }
    const { maxLineBytes, counts } = this.#context;
    const lines = data.subarray(0, end);
    this.#block = new LineBlock(lines, offset, encoding, maxLineBytes, counts);
    this.#moveTo(offset + end, lines);
    return "lines";
  }

  /**
   * Looks for the end of a line whose start has been looked at before.
   *
   * @returns `again` if the line is to be read from its start.
   */
  async #search(data: Buffer, from: number, isEnd: boolean): Promise<"lines" | "none" | "again"> {
    const { buffer, maxLineBytes, counts } = this.#context;
    const encoding = this.#encodingOf();
    const found = lineEnd(data, from, encoding, "first");
    if (found < 0) {
      this.#searched(data, from, isEnd);
      return "none";
    }
    const end = from + found;
    if (end - this.#offset > buffer.length - TAIL_BYTES) await this.#passNuls(end);
    if (end - this.#offset <= buffer.length - TAIL_BYTES) {
      this.#scanned = this.#offset;
      this.#isLong = true;
      return "again";
    }
    const length = Math.min(buffer.length, maxLineBytes + 4);
    const count = await this.content!.read(buffer.subarray(0, length), this.#offset);
    const start = Buffer.from(buffer.subarray(0, count));
    this.#block = new LineBlock(start, this.#offset, encoding, maxLineBytes, counts);
    const tail = Buffer.alloc(TAIL_BYTES);
    await this.content!.read(tail, end - TAIL_BYTES);
    this.#moveTo(end, tail);
    return "lines";
  }

  /** Notes how far there is no line end; NULs at the end may be room for text to come. */
  #searched(data: Buffer, offset: number, isEnd: boolean): void {
    const end = offset + data.length - (isEnd ? trailingNuls(data) : 0);
    this.#scanned = end - end % unitOf(this.#encodingOf());
  }

  /** Moves to the first text in front of `end`, over NULs of any number. */
  async #passNuls(end: number): Promise<void> {
    const { buffer } = this.#context;
    while (this.#offset < end) {
      const target = buffer.subarray(0, Math.min(buffer.length, end - this.#offset));
      const count = await this.content!.read(target, this.#offset);
      const nuls = leadingNuls(target.subarray(0, count));
      if (count === 0 || nuls === 0) return;
      if (this.lineage.key === undefined) {
        skipHole(this.lineage, target.subarray(0, count), this.#offset);
      }
      this.#moveTo(this.#offset + nuls, target.subarray(0, nuls));
    }
  }

  /** A file that changed before anything of it was used is simply looked at anew. */
  #restart(): ReadOutcome {
    if (this.lineage.key !== undefined || this.lineage.head.length > 0) return "replaced";
    this.lineage.base = 0;
    this.#rewind(0);
    return "idle";
  }

  #rewind(offset: number): void {
    this.#block = undefined;
    this.#offset = this.#scanned = offset;
    this.#tail = Buffer.alloc(0);
    this.#tailHash = undefined;
    this.#seen = undefined;
  }
}
