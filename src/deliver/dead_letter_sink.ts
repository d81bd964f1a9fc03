/**
 * Dead letters on their way to a sink of their own.
 *
 * The outbox keeps dead letters whatever happens here. A drain delivers them like alerts, from an
 * outbox that is a view of the unreported ones; so they have its retries and its way to stop.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { getLogger } from "@logtape/logtape";
import type { Alert } from "../runtime/alert.ts";
import type {
  DeadLetter,
  Outbox,
  PendingAlert,
  Settlement,
  SinkBacklog,
} from "../runtime/outbox.ts";
import { type SinkDrain, startDrain } from "./drain.ts";
import type { DrainOptions } from "./drain_status.ts";

const log = getLogger(["picket", "deliver", "dead-letters"]);

export interface DeadLetterDrainOptions extends DrainOptions {
  /** Goes into every record, as it does into alerts. */
  readonly agentId: string;
}

/**
 * Starts reporting dead letters to `options.sink`, which need not be registered in the outbox.
 *
 * Call `notify` after commits that had dead letters; an idle drain looks by itself now and then.
 */
export function startDeadLetterDrain(options: DeadLetterDrainOptions): SinkDrain {
  return startDrain({ ...options, outbox: new DeadLetterView(options.outbox, options.agentId) });
}

/**
 * A dead letter as one line: `original_event`, `error` and `timestamp` as rsigma writes them, then
 * what that leaves open.
 */
export function deadLetterRecord(letter: DeadLetter, agentId: string): string {
  return JSON.stringify({
    original_event: letter.original,
    error: letter.error,
    timestamp: new Date(letter.createdMs).toISOString().replace("Z", "+00:00"),
    stage: letter.stage,
    sink: letter.sinkId ?? null,
    alert_id: letter.alertId ?? null,
    rule_id: ruleIdOf(letter),
    attempts: letter.attempts,
    error_code: letter.code,
    agent: agentId,
    source: letter.sourceId ?? null,
    record_id: letter.recordId ?? null,
    dead_letter_id: letter.id,
  });
}

/** Only alerts name a rule; a line that could not be parsed may name anything. */
function ruleIdOf({ stage, original }: DeadLetter): string | null {
  if (stage === "parse") return null;
  try {
    const alert: unknown = JSON.parse(original);
    return typeof alert === "object" && alert !== null && "rule_id" in alert &&
        typeof alert.rule_id === "string"
      ? alert.rule_id
      : null;
  } catch {
    return null;
  }
}

/** Unreported dead letters as the alerts of one sink. */
class DeadLetterView implements Outbox {
  readonly #outbox: Outbox;
  readonly #agentId: string;
  /** By number; only in memory: after a restart everything is due. */
  readonly #waiting = new Map<number, { readonly attempts: number; readonly nextMs: number }>();
  #position: string | undefined;

  constructor(outbox: Outbox, agentId: string) {
    this.#outbox = outbox;
    this.#agentId = agentId;
  }

  registerSinks(): void {}

  pending(_sinkId: string, limit: number, nowMs: number): readonly PendingAlert[] {
    return this.#outbox.unreportedDeadLetters(limit + this.#waiting.size)
      .filter(({ id }) => (this.#waiting.get(id)?.nextMs ?? 0) <= nowMs)
      .slice(0, limit)
      .map((letter) => ({
        alert: asAlert(letter, this.#agentId),
        attempts: this.#waiting.get(letter.id)?.attempts ?? 0,
      }));
  }

  nextDueMs(): number | undefined {
    const times = [...this.#waiting.values()].map(({ nextMs }) => nextMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  settle(
    sinkId: string,
    settlements: readonly Settlement[],
    _nowMs: number,
    peerPosition?: string,
  ): void {
    this.#outbox.markDeadLettersReported(
      settlements.filter(({ outcome }) => outcome !== "retry").map(({ seq }) => seq),
    );
    for (const settlement of settlements) {
      const { seq } = settlement;
      if (settlement.outcome === "retry") {
        const attempts = (this.#waiting.get(seq)?.attempts ?? 0) + 1;
        this.#waiting.set(seq, { attempts, nextMs: settlement.nextMs });
        continue;
      }
      this.#waiting.delete(seq);
      if (settlement.outcome === "dead") {
        // A dead letter about a dead letter would never end. The outbox still has this one.
        log.warn("Sink {sink} refuses dead letter {id}: {error}", {
          sink: sinkId,
          id: seq,
          error: settlement.error,
        });
      }
    }
    this.#position = peerPosition ?? this.#position;
  }

  peerPosition(): string | undefined {
    return this.#position;
  }

  backlog(sinkId: string, nowMs: number): SinkBacklog {
    const letters = this.#outbox.unreportedDeadLetters(BACKLOG_LIMIT);
    return {
      sinkId,
      alerts: letters.length,
      bytes: letters.reduce((sum, { original }) => sum + Buffer.byteLength(original), 0),
      oldestMs: letters[0] === undefined ? 0 : Math.max(0, nowMs - letters[0].createdMs),
      deadLetters: 0,
    };
  }

  unreportedDeadLetters(limit: number): readonly DeadLetter[] {
    return this.#outbox.unreportedDeadLetters(limit);
  }

  markDeadLettersReported(ids: readonly number[]): void {
    this.#outbox.markDeadLettersReported(ids);
  }
}

/** A backlog is counted up to here; more is as bad. */
const BACKLOG_LIMIT = 1000;

function asAlert(letter: DeadLetter, agentId: string): Alert {
  const body = deadLetterRecord(letter, agentId);
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 32);
  return {
    seq: letter.id,
    id: `pkd1-${digest}`,
    kind: "gap",
    level: null,
    ruleId: ruleIdOf(letter),
    ruleTitle: `Dead letter: ${letter.stage}`,
    sourceId: letter.sourceId ?? "",
    createdMs: letter.createdMs,
    eventMs: undefined,
    body,
  };
}
