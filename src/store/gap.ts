/**
 * Records of what was lost, as alerts: they reach the sinks like any other and are never dropped.
 */
import { jsonText } from "../event/json_text.ts";
import { alertId, type NewAlert } from "../runtime/alert.ts";

/** What was lost, in one stretch of time and for one reason. */
export interface Gap {
  /** `max_bytes`, `max_age`, `min_free`, `oversize`, `corrupt`. */
  readonly reason: string;
  /** Alerts that were lost; for `corrupt` those known to be. */
  readonly count: number;
  /** By level; `none` for alerts without one. */
  readonly byLevel: Readonly<Record<string, number>>;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Unix milliseconds of the first and the last loss. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly detail?: string;
  /** Tells this gap from every other one of the agent. */
  readonly id: string;
}

/** The source of alerts that the state file makes by itself. */
export const STATE_SOURCE = "picket:state";
/** Their rule. */
export const GAP_RULE = "picket:gap";

/** The alert for a gap, critical, so that filters by level let it through. */
export function gapAlert(gap: Gap, agentId: string): NewAlert {
  const id = alertId({
    agentId,
    source: STATE_SOURCE,
    recordId: gap.id,
    rule: GAP_RULE,
    kind: "gap",
    discriminator: gap.reason,
    ordinal: 0,
  });
  const ruleTitle = gap.reason === "corrupt" ? "State file was damaged" : "Alerts were dropped";
  return {
    id,
    kind: "gap",
    level: "critical",
    ruleId: GAP_RULE,
    ruleTitle,
    sourceId: STATE_SOURCE,
    recordId: gap.id,
    eventMs: gap.toMs,
    // The shape of every alert, so that what reads alerts can read this one.
    body: jsonText({
      rule_title: ruleTitle,
      rule_id: GAP_RULE,
      level: "critical",
      tags: [],
      matched_selections: [],
      matched_fields: [],
      alert_id: id,
      kind: "gap",
      event_time: new Date(gap.toMs).toISOString(),
      detected_at: new Date(gap.toMs).toISOString(),
      agent: { id: agentId },
      source: { id: STATE_SOURCE, type: "state", path: STATE_SOURCE, record_id: gap.id },
      gap: {
        reason: gap.reason,
        count: gap.count,
        by_level: gap.byLevel,
        first_seq: gap.firstSeq,
        last_seq: gap.lastSeq,
        from: new Date(gap.fromMs).toISOString(),
        to: new Date(gap.toMs).toISOString(),
        ...(gap.detail === undefined ? {} : { detail: gap.detail }),
      },
    }),
  };
}
