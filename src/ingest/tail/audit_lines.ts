/**
 * Records of the audit system in files that are followed: the events they make up, and where to begin
 * again so that the same events come again.
 *
 * Events are interleaved, so while one is open others, younger ones, are given out. The position is
 * the first line of what is open, and says beside it up to where lines have been read and which of
 * them begin events that are open: all other lines in front of that place belong to events that have
 * been given out, and are passed over.
 *
 * The daemon changes files between two records of an event as it likes. So the contents of one origin
 * have one joiner, and an event may begin in `audit.log.1` and end in `audit.log`; it is named by its
 * first line. Its later lines are held in the position of the younger content.
 */
import { AuditJoiner } from "../../decode/auditd/join.ts";
import type { Held, JoinCounts, Joiner, OnJoined } from "./multiline.ts";

/** Where in a content lines were passed over or held back. */
export interface AuditHeld {
  /** Offset behind the lines that have been read. */
  readonly until: number;
  /** Offsets of the first lines of open events in this content. */
  readonly firsts: readonly number[];
}

/** Where a line stands. */
export interface AuditPlace {
  readonly source: AuditLines;
  readonly offset: number;
  /** Behind it. */
  readonly end: number;
}

/** The joiners of a source, one for each origin. */
export class AuditOrigins {
  readonly #counts: JoinCounts;
  readonly #joiners = new Map<string, AuditJoiner<AuditPlace>>();

  constructor(counts: JoinCounts) {
    this.#counts = counts;
  }

  of(origin: string): AuditJoiner<AuditPlace> {
    const known = this.#joiners.get(origin);
    if (known !== undefined) return known;
    const joiner = auditJoiner(this.#counts);
    this.#joiners.set(origin, joiner);
    return joiner;
  }
}

/** A joiner that hands each event to the content in which it begins. */
export function auditJoiner(counts: JoinCounts): AuditJoiner<AuditPlace> {
  return new AuditJoiner<AuditPlace>(
    (text, [first]) => first.source.give(text, first),
    () => counts.joinLimits++,
  );
}

/** Numbers contents in the order in which they are begun: the older first. */
let contents = 0;

/** The lines of one content. */
export class AuditLines implements Joiner {
  readonly #shared: AuditJoiner<AuditPlace>;
  readonly #onJoined: OnJoined;
  readonly #number = contents++;
  /** Offset of the first line that was given to the joiner. */
  #start: number | undefined;
  /** Lines that come again; see `AuditHeld`. */
  #replay: AuditHeld | undefined;
  readonly #firsts: ReadonlySet<number>;

  constructor(shared: AuditJoiner<AuditPlace>, onJoined: OnJoined, from?: AuditHeld) {
    this.#shared = shared;
    this.#onJoined = onJoined;
    this.#replay = from;
    this.#firsts = new Set(from?.firsts);
  }

  get held(): Held {
    const none = { skip: 0, inArray: false };
    // As long as not all of them have come again it is what it was.
    if (this.#replay !== undefined) return { offset: this.#start, ...none, audit: this.#replay };
    const { offset, firsts } = this.#open();
    return offset === undefined
      ? { offset, ...none }
      : { offset, ...none, audit: { until: undefined, firsts } };
  }

  line(text: string, offset: number, end: number): void {
    this.#start ??= offset;
    const place = { source: this, offset, end };
    const until = this.#replay?.until ?? 0;
    if (end >= until) this.#replay = undefined;
    if (offset >= until || this.#firsts.has(offset) || this.#shared.isHeld(text)) {
      this.#shared.line(text, place);
    } else {
      this.#shared.skip();
    }
  }

  /** Gives out the events that have lines of this content. */
  flush(): void {
    this.#shared.flush((places) => places.some(({ source }) => source === this));
  }

  /** Called by the joiner. */
  give(text: string, { offset, end }: AuditPlace): void {
    this.#onJoined(text, offset, end, 0);
  }

  #open(): { readonly offset: number | undefined; readonly firsts: readonly number[] } {
    const firsts: number[] = [];
    let offset: number | undefined;
    for (const places of this.#shared.held()) {
      const own = places.find(({ source }) => source === this);
      if (own !== undefined) firsts.push(own.offset);
      // Lines are counted from the first one of the event, so all of ours must come again.
      const isElder = places[0].source.#number < this.#number;
      const from = isElder ? this.#start : own?.offset;
      if (from !== undefined) offset = Math.min(offset ?? from, from);
    }
    return { offset, firsts };
  }
}
