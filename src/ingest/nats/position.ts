/**
 * Where a NATS source stands, in its own notation.
 */
import type { NatsReplay } from "../../runtime/settings.ts";

/** By how much the server's own notion of when it made a consumer changes when it restarts. */
const CREATED_TOLERANCE_MS = 2_000;
/** More sequences above the floor are not remembered; such messages may be read twice. */
const MAX_ABOVE = 1000;

export interface NatsPosition {
  readonly stream: string;
  readonly consumer: string;
  /** When the server made the consumer: another one may deliver the same sequences anew. */
  readonly created: string;
  /** Every message of the consumer up to here has been committed or was acknowledged before. */
  readonly floor: number;
  /** The replay that was asked for, so that it is not done again at each start. */
  readonly replay: string;
  /** Committed ones above the floor, where another worker may hold those between. */
  readonly above: readonly number[];
}

/** Whether the sequences of `position` mean the same messages for this consumer. */
export function isOf(
  position: NatsPosition,
  consumer: { readonly stream: string; readonly name: string; readonly created: string },
): boolean {
  if (position.stream !== consumer.stream || position.consumer !== consumer.name) return false;
  const apartMs = Date.parse(inMs(position.created)) - Date.parse(inMs(consumer.created));
  return position.created === consumer.created || Math.abs(apartMs) <= CREATED_TOLERANCE_MS;
}

/** Nanoseconds are more than every engine reads. */
function inMs(timestamp: string): string {
  return timestamp.replace(/(\.\d{3})\d+/, "$1");
}

export function formatPosition(position: NatsPosition): string {
  return JSON.stringify({ ...position, above: position.above.slice(-MAX_ABOVE) });
}

/** @returns `undefined` for whatever `formatPosition` did not write. */
export function parsePosition(text: string | undefined): NatsPosition | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { stream, consumer, created, floor, replay, above } = value as Partial<
    Record<keyof NatsPosition, unknown>
  >;
  if (
    typeof stream !== "string" || typeof consumer !== "string" || typeof created !== "string" ||
    typeof replay !== "string" || !isSequence(floor)
  ) return undefined;
  const sequences = Array.isArray(above) ? above.filter(isSequence) : [];
  return { stream, consumer, created, floor, replay, above: sequences };
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** `sequence:100`; equal for equal replays. */
export function replayKey(replay: NatsReplay): string {
  switch (replay.kind) {
    case "sequence":
      return `sequence:${replay.sequence}`;
    case "time":
      return `time:${replay.timeMs}`;
    case "resume":
    case "all":
    case "new":
    case "last":
    case "last_per_subject":
      return replay.kind;
  }
}

/**
 * Which messages are committed, told from sequences alone.
 *
 * A consumer numbers its deliveries. As long as they come without a gap, nobody else works on it, so
 * everything up to the last message taken is ours and done. Otherwise only the server knows the
 * floor, and what lies above is remembered one by one.
 */
export class Progress {
  #floor: number;
  readonly #above: Set<number>;
  /** Number of the delivery seen last; -1 where the numbering says nothing. */
  #delivery: number;
  #highest: number;

  /**
   * @param floor Everything up to here is done.
   * @param delivery The consumer's last delivery, if none of its messages are with somebody else.
   */
  constructor(floor: number, above: Iterable<number>, delivery: number | undefined) {
    this.#floor = floor;
    this.#highest = floor;
    this.#above = new Set(above);
    this.#delivery = delivery ?? -1;
  }

  get floor(): number {
    return this.#floor;
  }

  get above(): readonly number[] {
    return [...this.#above].sort((a, b) => a - b);
  }

  /** Whether a message was committed before. */
  isDone(streamSeq: number): boolean {
    return streamSeq <= this.#floor || this.#above.has(streamSeq);
  }

  /** Takes note of a delivery; all of them, in the order in which they come. */
  saw(streamSeq: number, consumerSeq: number): void {
    if (this.#delivery >= 0) this.#delivery = consumerSeq === this.#delivery + 1 ? consumerSeq : -1;
    this.#highest = Math.max(this.#highest, streamSeq);
  }

  /** All messages seen so far that are not done are about to be committed: these. */
  take(streamSeqs: readonly number[]): void {
    for (const seq of streamSeqs) if (seq > this.#floor) this.#above.add(seq);
    if (this.#delivery >= 0) this.#raise(this.#highest);
    if (this.#above.size > 2 * MAX_ABOVE) {
      for (const seq of this.above.slice(0, this.#above.size - MAX_ABOVE)) this.#above.delete(seq);
    }
  }

  /** What the server says: its own floor, and whether all it waits for is with us. */
  learn(ackFloor: number, delivery: number | undefined): void {
    this.#raise(ackFloor);
    this.#delivery = delivery ?? -1;
  }

  #raise(floor: number): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    this.#highest = Math.max(this.#highest, floor);
    for (const seq of this.#above) if (seq <= floor) this.#above.delete(seq);
  }
}
