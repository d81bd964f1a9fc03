/**
 * Results of the engine to alerts: what happened, where it was read, and an identity.
 */
import type { DetectionResult } from "../engine/result.ts";
import type { LogEvent } from "../event/event.ts";
import { eventComputer, eventTimestamp } from "../event/facts.ts";
import { internField } from "../event/field.ts";
import { jsonText } from "../event/json_text.ts";
import { scalarText } from "../event/value.ts";
import { alertId, type AlertIdentity, type NewAlert, titleKey } from "../runtime/alert.ts";
import type { RawEvent, SourceNotice } from "../runtime/plugin.ts";

/** Who raises alerts. */
export interface AgentIdentity {
  /** `StateStore.agentId`: it goes into every alert id. */
  readonly id: string;
  /** Goes into alerts. */
  readonly host: string;
  /** Go into alerts. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Where a builder's events come from. */
export interface SourceIdentity {
  /** `EventSource.id`. */
  readonly id: string;
  /** `EventSource.kind`. */
  readonly kind: string;
  /** Go into its alerts, over those of the agent. */
  readonly labels: Readonly<Record<string, string>>;
}

const CHANNEL = internField("Channel");

/** Builds the alerts of one source. */
export class AlertBuilder {
  readonly #agent: AgentIdentity;
  readonly #source: SourceIdentity;
  /** `false`: bodies are the results as the engine gives them, nothing added. */
  readonly #addIds: boolean;
  readonly #labels: Readonly<Record<string, string>> | undefined;

  /**
   * @param addIds Whether bodies say, besides the result, the alert's id, times, agent and source.
   */
  constructor(agent: AgentIdentity, source: SourceIdentity, addIds: boolean) {
    this.#agent = agent;
    this.#source = source;
    this.#addIds = addIds;
    const labels = { ...agent.labels, ...source.labels };
    this.#labels = Object.keys(labels).length === 0 ? undefined : labels;
  }

  /**
   * The alerts of one event.
   *
   * @param ordinals How often each rule has matched the record before, if it gave several events;
   *   updated.
   */
  detections(
    results: readonly DetectionResult[],
    event: LogEvent,
    raw: RawEvent,
    nowMs: number,
    ordinals: Map<string, number>,
  ): readonly NewAlert[] {
    const [exactMs, eventTime] = eventTimestamp(event);
    // Events may tell microseconds; the state file holds whole milliseconds.
    const eventMs = exactMs === undefined ? undefined : Math.floor(exactMs);
    const place = {
      ...this.#place(raw.origin, raw.recordId),
      channel: scalarText(event.get(CHANNEL)) ?? null,
      computer: eventComputer(event) ?? null,
    };
    return results.map((result) => {
      const rule = result.rule_id ?? titleKey(result.rule_title);
      const ordinal = ordinals.get(rule) ?? 0;
      ordinals.set(rule, ordinal + 1);
      const id = this.#id({ recordId: raw.recordId, rule, kind: "detection", ordinal }, raw.origin);
      const body = this.#addIds
        ? {
          ...result,
          alert_id: id,
          kind: "detection",
          event_time: eventTime ?? null,
          detected_at: new Date(nowMs).toISOString(),
          agent: { id: this.#agent.id, host: this.#agent.host },
          source: place,
          labels: this.#labels,
        }
        : result;
      return {
        id,
        kind: "detection",
        level: result.level,
        ruleId: result.rule_id,
        ruleTitle: result.rule_title,
        sourceId: this.#source.id,
        recordId: raw.recordId,
        eventMs,
        body: jsonText(body),
      };
    });
  }

  /** What a source reports about itself. */
  notice(notice: SourceNotice, nowMs: number): NewAlert {
    const rule = `picket:${notice.reason}`;
    const id = this.#id({ recordId: notice.id, rule, kind: "gap", ordinal: 0 }, this.#source.id);
    const title = `Picket: ${notice.message}`;
    const body = {
      rule_title: title,
      rule_id: rule,
      level: "high",
      tags: [],
      matched_selections: [],
      matched_fields: [],
      alert_id: id,
      kind: "gap",
      event_time: null,
      detected_at: new Date(nowMs).toISOString(),
      agent: { id: this.#agent.id, host: this.#agent.host },
      source: this.#place(this.#source.id, notice.id),
      labels: this.#labels,
      gap: { reason: notice.reason, ...notice.facts },
    };
    return {
      id,
      kind: "gap",
      level: "high",
      ruleId: rule,
      ruleTitle: title,
      sourceId: this.#source.id,
      recordId: notice.id,
      eventMs: undefined,
      body: jsonText(body),
    };
  }

  #place(origin: string, recordId: string): Readonly<Record<string, string>> {
    return { id: this.#source.id, type: this.#source.kind, path: origin, record_id: recordId };
  }

  #id(
    record: Pick<AlertIdentity, "recordId" | "rule" | "kind" | "ordinal">,
    origin: string,
  ): string {
    const source = origin === this.#source.id ? origin : `${this.#source.id}:${origin}`;
    return alertId({ ...record, agentId: this.#agent.id, source, discriminator: "" });
  }
}
