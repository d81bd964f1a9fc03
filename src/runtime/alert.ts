/**
 * Alerts: results on their way out, with an identity that outlives crashes.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Level } from "../sigma/rule.ts";

/** A rule that matched an event, a correlation over several, or a source's report of a gap. */
export type AlertKind = "detection" | "correlation" | "gap";

/** One alert as the outbox holds it and sinks get it. */
export interface Alert {
  /** Ascends in the order of commits; never used twice. */
  readonly seq: number;
  /** Deterministic; see `alertId`. */
  readonly id: string;
  /** What raised it. */
  readonly kind: AlertKind;
  /** Of the rule; null if it names none. */
  readonly level: Level | null;
  /** Of the rule; null if it has none. */
  readonly ruleId: string | null;
  /** Of the rule. */
  readonly ruleTitle: string;
  /** The id of the source that gave the event. */
  readonly sourceId: string;
  /** Unix milliseconds: when the alert was committed, and when its event happened, if that is known. */
  readonly createdMs: number;
  /** `undefined` if the event tells no time. */
  readonly eventMs: number | undefined;
  /** The alert as one JSON object without line ends: what every sink delivers. */
  readonly body: string;
}

/** An alert before it is committed. */
export type NewAlert = Omit<Alert, "seq" | "createdMs"> & {
  /** `RawEvent.recordId`. */
  readonly recordId: string;
};

/** 0 for alerts without a level up to 5 for critical: what is dropped first when room runs out. */
export function severityOf(level: Level | null): number {
  return level === null ? 0 : SEVERITY[level];
}

const SEVERITY: Readonly<Record<Level, number>> = {
  informational: 1,
  low: 2,
  medium: 3,
  high: 4,
  critical: 5,
};

/** What makes an alert the same alert. */
export interface AlertIdentity {
  /** `StateStore.agentId`. */
  readonly agentId: string;
  /** The source's id and the place inside it: `auth:/var/log/auth.log`. */
  readonly source: string;
  /** `RawEvent.recordId`. */
  readonly recordId: string;
  /** The rule's id, or `titleKey` of one that has none. */
  readonly rule: string;
  /** The alert's. */
  readonly kind: AlertKind;
  /** Empty for detections; the group key of a correlation. */
  readonly discriminator: string;
  /** Counts the results of the same rule and record, from 0. */
  readonly ordinal: number;
}

/**
 * `pk1-` and 32 hex digits of the SHA-256 of all parts, each with its length in front.
 *
 * It is the outbox's key, the `Nats-Msg-Id` and the `webhook-id`: a record that is evaluated again
 * after a crash gives the same id, and every hop can tell.
 */
export function alertId(identity: AlertIdentity): string {
  const hash = createHash("sha256");
  const length = Buffer.alloc(4);
  for (
    const part of [
      identity.agentId,
      identity.source,
      identity.recordId,
      identity.rule,
      identity.kind,
      identity.discriminator,
      String(identity.ordinal),
    ]
  ) {
    const bytes = Buffer.from(part, "utf8");
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return `pk1-${hash.digest("hex").slice(0, 32)}`;
}

/** What stands for a rule without an id. */
export function titleKey(title: string): string {
  return `t:${createHash("sha256").update(title).digest("hex").slice(0, 16)}`;
}
