/**
 * From an event to the partition of rules that can match it.
 *
 * Everything the tables of `logsource.ts` say about a (channel, event id) is worked out when the
 * first such event is met. How many kinds there are is bounded by what the rules tell apart, not by
 * what events contain: event ids that no rule names share one kind.
 */
import type { Field } from "../event/field.ts";
import type { Value } from "../event/value.ts";
import { WINDOWS_CATEGORY_EVENT_IDS } from "../pipeline/builtin/windows_logsource.ts";
import type { DetectionRule } from "../sigma/rule.ts";
import type { EvaluationContext } from "./context.ts";
import { necessaryEventIds } from "./event_ids.ts";
import {
  CHANNEL_FIELD,
  compatible,
  EVENT_ID_FIELD,
  EVENT_TYPE_FIELD,
  eventKind,
  type EventLogsource,
  type EventTraits,
  eventTraits,
  integerEventId,
  type StaticLogsource,
} from "./logsource.ts";
import { type IndexedRule, Partition } from "./partition.ts";

/** More channels than this in one input are not the work of Windows. */
const MAX_CHANNELS = 4096;

interface RoutedKind {
  readonly partition: Partition;
  readonly names: ReadonlyMap<string, readonly Field[]>;
}

type Kinds = Map<number | undefined, RoutedKind>;
/** Stands for every event id that no rule and no category names. */
const OTHER_ID = -1;
const NO_NAMES: ReadonlyMap<string, readonly Field[]> = new Map();

/** Finds partitions, building them on demand. */
export class Router {
  readonly #rules: readonly DetectionRule[];
  readonly #indexed: readonly IndexedRule[];
  readonly #routing: boolean;
  readonly #fixed: StaticLogsource;
  readonly #eventIds: readonly (ReadonlySet<number> | undefined)[];
  /** Event ids that decide which rules apply. */
  readonly #tellingIds = new Set<number>(WINDOWS_CATEGORY_EVENT_IDS);
  /** By product and channel. */
  readonly #channels = new Map<string | undefined, Map<string | undefined, Kinds>>();
  readonly #partitions = new Map<string, Partition>();
  readonly #stamps: Int32Array;

  constructor(
    rules: readonly DetectionRule[],
    indexed: readonly IndexedRule[],
    routing: boolean,
    fixed: StaticLogsource,
  ) {
    this.#rules = rules;
    this.#indexed = indexed;
    this.#routing = routing;
    this.#fixed = fixed;
    this.#stamps = new Int32Array(rules.length);
    this.#eventIds = rules.map(necessaryEventIds);
    for (const ids of this.#eventIds) for (const id of ids ?? []) this.#tellingIds.add(id);
  }

  /** The partitions built so far. */
  partitions(): Iterable<Partition> {
    return this.#partitions.values();
  }

  /** The partition for the event of `context`, which is told the names of its fields. */
  route(context: EvaluationContext): Partition {
    const { event } = context;
    const channel = event.get(CHANNEL_FIELD);
    const kinds = this.#kindsOf(event.product, typeof channel === "string" ? channel : undefined);
    const eventId = integerEventId(event.get(EVENT_ID_FIELD));
    // Ids no rule names share a kind; Sysmon 12 is several kinds, kept apart by other numbers.
    const kindId = eventId === undefined || this.#tellingIds.has(eventId)
      ? eventId === 12 ? eventTypeKind(event.get(EVENT_TYPE_FIELD)) : eventId
      : OTHER_ID;
    let kind = kinds.get(kindId);
    if (kind === undefined) {
      kind = this.#newKind(eventTraits(event), kindId === OTHER_ID ? OTHER_ID : eventId);
      kinds.set(kindId, kind);
    }
    context.useNames(kind.names);
    return kind.partition;
  }

  #kindsOf(product: string | undefined, channel: string | undefined): Kinds {
    let channels = this.#channels.get(product);
    if (channels === undefined) this.#channels.set(product, channels = new Map());
    let kinds = channels.get(channel);
    if (kinds === undefined) {
      if (channels.size >= MAX_CHANNELS) channels.clear();
      channels.set(channel, kinds = new Map());
    }
    return kinds;
  }

  #newKind(traits: EventTraits, eventId: number | undefined): RoutedKind {
    const { logsource, names } = this.#routing
      ? eventKind({ ...traits, eventId }, this.#fixed)
      : { logsource: {}, names: NO_NAMES };
    return { partition: this.#partition(logsource, eventId), names };
  }

  #partition(logsource: EventLogsource, eventId: number | undefined): Partition {
    const rules: number[] = [];
    for (const [number, rule] of this.#rules.entries()) {
      const ids = this.#eventIds[number];
      if (eventId !== undefined && ids !== undefined && !ids.has(eventId)) continue;
      if (compatible(rule.logsource, logsource)) rules.push(number);
    }
    const key = rules.join();
    let partition = this.#partitions.get(key);
    if (partition === undefined) {
      partition = new Partition(rules, this.#indexed, this.#stamps);
      this.#partitions.set(key, partition);
    }
    return partition;
  }
}

const EVENT_TYPE_KINDS: ReadonlyMap<string, number> = new Map([
  ["CreateKey", -2],
  ["DeleteKey", -3],
  ["DeleteValue", -4],
]);

function eventTypeKind(eventType: Value | undefined): number {
  return typeof eventType === "string" ? EVENT_TYPE_KINDS.get(eventType) ?? 12 : 12;
}
