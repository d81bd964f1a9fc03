/**
 * From an event to the partitions of rules that can match it.
 *
 * Everything the tables of `logsource.ts` say about a (channel, event id) is worked out when the
 * first such event is met. How many kinds there are is bounded by what the rules tell apart, not by
 * what events contain: event ids that no rule names share one kind.
 */
import type { ImpliedLogsource, LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import type { Value } from "../event/value.ts";
import {
  WINDOWS_CATEGORY_EVENT_IDS,
  windowsServices,
} from "../pipeline/builtin/windows_logsource.ts";
import type { DetectionRule, Logsource } from "../sigma/rule.ts";
import type { EvaluationContext } from "./context.ts";
import {
  CHANNEL_FIELD,
  compatible,
  EVENT_ID_FIELD,
  EVENT_TYPE_FIELD,
  eventKind,
  type EventLogsource,
  eventProvider,
  type EventTraits,
  eventTraits,
  integerEventId,
  type LogsourceTally,
  needsPresence,
  type StaticLogsource,
} from "./logsource.ts";
import { MemoryBudget } from "./field_index.ts";
import { GateCache } from "./keyword_gate.ts";
import { type IndexedRule, Partition } from "./partition.ts";

/** Decoders know fewer programs than this; one that made an object for each event must not leak. */
const MAX_IMPLIED = 256;
/** More channels than this in one input are not the work of Windows. */
const MAX_CHANNELS = 4096;

/** A partition of fewer rules is cheaper to build again than to evaluate beside another. */
const MANY_RULES = 64;

interface RoutedKind {
  readonly partitions: readonly Partition[];
  readonly names: ReadonlyMap<string, readonly Field[]>;
  /** Rules that are for other logsources. */
  readonly pruned: number;
  /** Nothing is known of the logsource. */
  readonly isOpen: boolean;
}

type Kinds = Map<number | undefined, RoutedKind>;
interface ChannelKinds {
  readonly kinds: Kinds;
  /** `undefined` for a channel of the taxonomy. */
  readonly byProvider: Map<string | undefined, Kinds> | undefined;
}
/** Stands for every event id that no rule and no category names. */
const OTHER_ID = -1;
const NO_NAMES: ReadonlyMap<string, readonly Field[]> = new Map();

/** Finds partitions, building them on demand. */
export class Router {
  readonly #groups: readonly LogsourceGroup[];
  readonly #indexed: readonly IndexedRule[];
  readonly #routing: boolean;
  readonly #fixed: StaticLogsource;
  readonly #tally: LogsourceTally | undefined;
  /** Event ids that decide which rules apply. */
  readonly #tellingIds = new Set<number>(WINDOWS_CATEGORY_EVENT_IDS);
  /** By product and channel. */
  readonly #channels = new Map<string | undefined, Map<string | undefined, ChannelKinds>>();
  /** By what events tell of their logsource. */
  readonly #told = new Map<ImpliedLogsource, RoutedKind>();
  readonly #partitions = new Map<string, Partition>();
  readonly #stamps: Float64Array;
  readonly #budget = new MemoryBudget();
  readonly #gates = new GateCache();

  constructor(
    rules: readonly DetectionRule[],
    indexed: readonly IndexedRule[],
    routing: boolean,
    fixed: StaticLogsource,
    tally?: LogsourceTally,
  ) {
    this.#tally = tally;
    this.#groups = groupByLogsource(rules);
    this.#indexed = indexed;
    this.#routing = routing;
    this.#fixed = fixed;
    this.#stamps = new Float64Array(rules.length);
    for (const { eventIds } of indexed) {
      for (const id of eventIds ?? []) this.#tellingIds.add(id);
    }
  }

  /** The partitions built so far. */
  partitions(): Iterable<Partition> {
    return this.#partitions.values();
  }

  /** The partitions for the event of `context`, which is told the names of its fields. */
  route(context: EvaluationContext): readonly Partition[] {
    const { event } = context;
    const { logsource } = event;
    const kind = logsource === undefined ? this.#kindOf(event) : this.#toldKind(event, logsource);
    const tally = this.#tally;
    if (tally !== undefined) {
      tally.pruned += kind.pruned;
      if (kind.isOpen) tally.withoutLogsource++;
    }
    context.useNames(kind.names);
    return kind.partitions;
  }

  /** Of an event that tells its logsource, which is not asked for a channel. */
  #toldKind(event: LogEvent, logsource: ImpliedLogsource): RoutedKind {
    let kind = this.#told.get(logsource);
    if (kind === undefined) {
      if (this.#told.size >= MAX_IMPLIED) this.#told.clear();
      this.#told.set(logsource, kind = this.#newKind(eventTraits(event), undefined));
    }
    return kind;
  }

  #kindOf(event: LogEvent): RoutedKind {
    const channel = event.get(CHANNEL_FIELD);
    const kinds = typeof channel === "string"
      ? this.#kindsOf(event, channel)
      : this.#kindsOf(event, undefined);
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
    return kind;
  }

  /** Unknown channels are told apart by who writes to them as well. */
  #kindsOf(event: LogEvent, channel: string | undefined): Kinds {
    let channels = this.#channels.get(event.product);
    if (channels === undefined) this.#channels.set(event.product, channels = new Map());
    let entry = channels.get(channel);
    if (entry === undefined) {
      if (channels.size >= MAX_CHANNELS) channels.clear();
      const known = channel !== undefined && windowsServices(channel) !== undefined;
      entry = { kinds: new Map(), byProvider: known ? undefined : new Map() };
      channels.set(channel, entry);
    }
    if (entry.byProvider === undefined) return entry.kinds;
    const provider = eventProvider(event);
    let kinds = entry.byProvider.get(provider);
    if (kinds === undefined) {
      if (entry.byProvider.size >= MAX_CHANNELS) entry.byProvider.clear();
      entry.byProvider.set(provider, kinds = new Map());
    }
    return kinds;
  }

  #newKind(traits: EventTraits, eventId: number | undefined): RoutedKind {
    const { logsource, names } = this.#routing
      ? eventKind({ ...traits, eventId }, this.#fixed)
      : { logsource: {}, names: NO_NAMES };
    const { product, services, categories, custom } = logsource;
    return {
      partitions: this.#partitionsFor(logsource, eventId),
      names,
      pruned: this.#groups.reduce(
        (sum, group) => sum + (compatible(group.logsource, logsource) ? 0 : group.rules.length),
        0,
      ),
      isOpen: (product ?? services ?? categories ?? custom) === undefined,
    };
  }

  /**
   * The partitions whose rules together can match. Where many rules do not depend on the event id, they
   * stand in a partition that all ids share: an index of thousands of rules must not be built, and
   * kept, for each id.
   */
  #partitionsFor(logsource: EventLogsource, eventId: number | undefined): readonly Partition[] {
    const common: number[] = [];
    const own: number[] = [];
    for (const group of this.#groups) {
      if (!compatible(group.logsource, logsource)) continue;
      const needs = needsPresence(group.logsource, logsource);
      for (const number of group.rules) {
        if (needs && this.#indexed[number]!.holdsWithoutEvent()) continue;
        const ids = this.#indexed[number]!.eventIds;
        if (ids === undefined) common.push(number);
        else if (eventId === undefined || ids.has(eventId)) own.push(number);
      }
    }
    const parts = common.length < MANY_RULES ? [[...common, ...own]] : [common, own];
    return parts.filter((rules) => rules.length > 0).map((rules) => this.#partition(rules));
  }

  #partition(rules: readonly number[]): Partition {
    const sorted = [...rules].sort((left, right) => left - right);
    const key = sorted.join();
    let partition = this.#partitions.get(key);
    if (partition === undefined) {
      partition = new Partition(sorted, this.#indexed, this.#stamps, this.#budget, this.#gates);
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

/** Rules of one logsource, ascending. */
interface LogsourceGroup {
  readonly logsource: Logsource;
  readonly rules: number[];
}

function groupByLogsource(rules: readonly DetectionRule[]): readonly LogsourceGroup[] {
  const groups = new Map<string, LogsourceGroup>();
  for (const [number, { logsource }] of rules.entries()) {
    const { product, service, category, custom } = logsource;
    const key = JSON.stringify([product, service, category, custom]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { logsource, rules: [number] });
    else group.rules.push(number);
  }
  return [...groups.values()];
}
