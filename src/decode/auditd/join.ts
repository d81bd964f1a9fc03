/**
 * Putting the records of an audit event together, which stand one a line and, where several
 * processors wrote at a time, among those of other events.
 *
 * `AuditJoiner` is all that a reader of files or of standard input needs: give it every line with
 * whatever tells where the line stands, and call `flush` at the end. Lines that are no audit records
 * pass through at once, so it may stand before any log.
 *
 * An event ends
 * - with its `PROCTITLE`, which the kernel writes last, or with `EOE`, which is no part of it;
 * - with its first record, if that is of a type that is never followed: what programs of user space
 *   and the daemon itself report;
 * - when a record comes that is two seconds or more younger and of the same machine, as in the
 *   daemon's own library;
 * - when 500 lines have come since its last one, or when there are 64 younger ones, 500 records or
 *   256 KiB of it, or 8 MiB of all open ones;
 * - at `flush`.
 *
 * Events come in the order in which they end, those that end at the same line in the order of their
 * first records. All this depends on the lines alone: a log gives the same events whether it is read
 * at once or piece by piece.
 */
import { parseAuditHeader } from "./record.ts";

const MAX_LINES_BEHIND = 500;
const MAX_OPEN = 64;
const MAX_EVENT_LINES = 500;
const MAX_EVENT_CHARS = 256 << 10;
const MAX_OPEN_CHARS = 8 << 20;
/** `end_of_event_timeout` of auditd.conf. */
const MAX_AGE_SECONDS = 2;

/**
 * Types whose events have one record. Programs of user space (1100 to 1199, 2100 to 2999 and
 * `USER`), the daemon (1200 to 1299) and the kernel's start (2000) have their own serial numbers.
 * `LOGIN`, 1006, is followed in newer kernels.
 */
const ALONE =
  /^(?:USER|USER_\w+|USYS_\w+|CRED_\w+|ACCT_\w+|ADD_\w+|DEL_\w+|GRP_\w+|CHGRP_ID|CHUSER_ID|DAC_CHECK|MAC_CHECK|TEST|TRUSTED_APP|SYSTEM_\w+|SERVICE_\w+|SOFTWARE_UPDATE|DAEMON_\w+|KERNEL|RESP_\w+|ROLE_\w+|LABEL_\w+|DEV_\w+|FS_RELABEL|CRYPTO_\w+|VIRT_\w+|ANOM_(?!PROMISCUOUS|ABEND|LINK|CREAT)\w+)$/;
const LAST = "PROCTITLE", END = "EOE";

/** Takes an event: its lines, joined by `\n`, and where each of them stands. */
export type OnAuditEvent<Place> = (text: string, places: readonly [Place, ...Place[]]) => void;

/** An event whose end has not been seen. */
interface OpenEvent<Place> {
  readonly key: string;
  readonly node: string | undefined;
  /** When it happened. */
  readonly seconds: number;
  readonly lines: string[];
  readonly places: [Place, ...Place[]];
  chars: number;
  /** Number of its last line. */
  last: number;
}

/** Joins lines; `Place` is whatever the caller wants to know of the lines of an event. */
export class AuditJoiner<Place> {
  readonly #onEvent: OnAuditEvent<Place>;
  readonly #onLimit: () => void;
  /** In the order of their first records. */
  readonly #open = new Map<string, OpenEvent<Place>>();
  /** Lines so far. */
  #line = 0;
  #chars = 0;
  /** No event is old before this line, nor before this time. */
  #dueLine = Infinity;
  #dueSeconds = Infinity;

  /** @param onLimit Called for an event that was cut because it, or all of them, grew too large. */
  constructor(onEvent: OnAuditEvent<Place>, onLimit: () => void = () => {}) {
    this.#onEvent = onEvent;
    this.#onLimit = onLimit;
  }

  /** Whether no line is held back. */
  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  /** Where the lines stand that are held back: for each open event, the oldest first. */
  *held(): Generator<readonly [Place, ...Place[]]> {
    for (const { places } of this.#open.values()) yield places;
  }

  /** Takes the next line, without its end; an empty one counts as a line and is no event. */
  line(text: string, place: Place): void {
    this.#line++;
    const header = parseAuditHeader(text);
    if (header === undefined) {
      if (this.#open.size > 0) this.#endOld(undefined, 0);
      if (text !== "") this.#onEvent(text, [place]);
      return;
    }
    const { type, node, id } = header;
    const key = node === undefined ? id : `${id} ${node}`;
    const event = this.#open.get(key);
    if (type === END) {
      if (event !== undefined) this.#end(event);
      return;
    }
    const seconds = Number(id.slice(0, id.indexOf(":")));
    if (event !== undefined) this.#add(event, text, place);
    if (this.#open.size > 0) this.#endOld(node, seconds);
    if (event !== undefined) {
      const isFull = event.lines.length >= MAX_EVENT_LINES || event.chars > MAX_EVENT_CHARS;
      if (type === LAST) this.#end(event);
      else if (isFull) this.#cut(event);
    } else if (type === LAST || ALONE.test(type)) {
      this.#onEvent(text, [place]);
    } else {
      this.#begin({ key, node, seconds, text, place });
    }
    while (this.#open.size > MAX_OPEN || this.#chars > MAX_OPEN_CHARS) {
      for (const oldest of this.#open.values()) {
        this.#cut(oldest);
        break;
      }
    }
  }

  /** Whether `line` is a record of an event that is held back. */
  isHeld(line: string): boolean {
    const header = parseAuditHeader(line);
    if (header === undefined) return false;
    return this.#open.has(header.node === undefined ? header.id : `${header.id} ${header.node}`);
  }

  /** Counts a line without taking it. */
  skip(): void {
    this.#line++;
  }

  /**
   * Gives out what is held back.
   *
   * @param isWanted Only the events for whose lines it holds.
   */
  flush(isWanted: (places: readonly [Place, ...Place[]]) => boolean = () => true): void {
    for (const event of [...this.#open.values()]) if (isWanted(event.places)) this.#end(event);
  }

  #begin(
    { key, node, seconds, text, place }:
      & Pick<OpenEvent<Place>, "key" | "node" | "seconds">
      & { readonly text: string; readonly place: Place },
  ): void {
    const chars = text.length;
    this.#chars += chars;
    const last = this.#line;
    this.#dueLine = Math.min(this.#dueLine, last + MAX_LINES_BEHIND);
    this.#dueSeconds = Math.min(this.#dueSeconds, seconds + MAX_AGE_SECONDS);
    this.#open.set(key, { key, node, seconds, lines: [text], places: [place], chars, last });
  }

  #add(event: OpenEvent<Place>, text: string, place: Place): void {
    event.lines.push(text);
    event.places.push(place);
    event.chars += text.length;
    event.last = this.#line;
    this.#chars += text.length;
  }

  /** Ends events that nothing more can be expected for. Machines may have different times. */
  #endOld(node: string | undefined, seconds: number): void {
    if (this.#line < this.#dueLine && seconds < this.#dueSeconds) return;
    this.#dueLine = this.#dueSeconds = Infinity;
    for (const event of this.#open.values()) {
      const isOld = (seconds - event.seconds >= MAX_AGE_SECONDS && node === event.node) ||
        this.#line - event.last >= MAX_LINES_BEHIND;
      if (isOld) {
        this.#end(event);
      } else {
        this.#dueLine = Math.min(this.#dueLine, event.last + MAX_LINES_BEHIND);
        this.#dueSeconds = Math.min(this.#dueSeconds, event.seconds + MAX_AGE_SECONDS);
      }
    }
  }

  #cut(event: OpenEvent<Place>): void {
    this.#onLimit();
    this.#end(event);
  }

  #end(event: OpenEvent<Place>): void {
    this.#open.delete(event.key);
    this.#chars -= event.chars;
    this.#onEvent(
      event.lines.length === 1 ? event.lines[0]! : event.lines.join("\n"),
      event.places,
    );
  }
}
