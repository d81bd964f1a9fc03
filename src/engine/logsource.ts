/**
 * Which rules apply to which events, by their logsource.
 *
 * A dimension that only one side names rules nothing out: an event whose channel nobody knows is
 * evaluated against everything its product allows.
 */
import type { ImpliedLogsource, LogEvent } from "../event/event.ts";
import { type Field, internField } from "../event/field.ts";
import { scalarText, type Value } from "../event/value.ts";
import {
  dependsOnEventType,
  flatFieldNames,
  providerService,
  WINDOWS_SERVICES,
  windowsLogsource,
  windowsServices,
} from "../pipeline/builtin/windows_logsource.ts";
import type { Logsource } from "../sigma/rule.ts";

/** What is known of an event's logsource from all sides. */
export interface EventLogsource extends ImpliedLogsource {
  /** Services that are certainly not the event's, where `services` is unknown. */
  readonly foreignServices?: ReadonlySet<string>;
  readonly custom?: Readonly<Record<string, string>>;
}

/** The dimensions an operator states for an input; lower-case. */
export interface StaticLogsource {
  /** `windows`, `linux`, … */
  readonly product?: string;
  /** `security`, `sshd`, … */
  readonly service?: string;
  /** `process_creation`, … */
  readonly category?: string;
  /** Dimensions of one's own. */
  readonly custom?: Readonly<Record<string, string>>;
}

/** Fields in which events tell their own logsource, by dimension. */
export interface LogsourceFields {
  /** The field with the product. */
  readonly product?: string;
  /** The field with the service. */
  readonly service?: string;
  /** The field with the category. */
  readonly category?: string;
  /** Fields by dimension. */
  readonly custom?: Readonly<Record<string, string>>;
}

/** Counts what routing by logsource spares; one object may outlive many engines. */
export interface LogsourceTally {
  /** Rules that were not looked at, summed over events. */
  pruned: number;
  /** Events of which nothing is known, so that every rule may be for them. */
  withoutLogsource: number;
}

/** What `event` tells of its logsource in `fields`; `fixed` stands where it tells nothing. */
export function statedLogsource(
  event: LogEvent,
  fields: LogsourceFields,
  fixed: StaticLogsource,
): StaticLogsource {
  const stated = (field: string | undefined): string | undefined => {
    const value = field === undefined ? undefined : event.get(internField(field));
    return scalarText(value)?.trim().toLowerCase() || undefined;
  };
  const told = Object.entries({
    product: stated(fields.product),
    service: stated(fields.service),
    category: stated(fields.category),
  }).filter(([, text]) => text !== undefined);
  const custom = Object.entries(fields.custom ?? {})
    .map(([dimension, field]) => [dimension, stated(field)] as const)
    .filter(([, text]) => text !== undefined);
  return {
    ...fixed,
    ...Object.fromEntries(told),
    ...(custom.length === 0
      ? {}
      : { custom: { ...fixed.custom, ...Object.fromEntries(custom) as Record<string, string> } }),
  };
}

/** Whether a rule may match events of this logsource. */
export function compatible(rule: Logsource, event: EventLogsource): boolean {
  const { product, services, foreignServices, categories, custom } = event;
  if (product !== undefined && rule.product !== undefined) {
    if (rule.product.toLowerCase() !== product) return false;
  }
  if (services !== undefined && rule.service !== undefined) {
    if (!services.has(rule.service.toLowerCase())) return false;
  }
  if (foreignServices !== undefined && rule.service !== undefined) {
    if (foreignServices.has(rule.service.toLowerCase())) return false;
  }
  if (categories !== undefined && rule.category !== undefined) {
    if (!categories.has(rule.category.toLowerCase())) return false;
  }
  if (custom !== undefined) {
    for (const [key, value] of Object.entries(rule.custom)) {
      const own = custom[key];
      if (own !== undefined && own.toLowerCase() !== value.toLowerCase()) return false;
    }
  }
  return true;
}

/** Whether an event is known to be of the kind of log that the rule names, not only not known not to be. */
function isConfirmed(rule: Logsource, event: EventLogsource): boolean {
  return (rule.product !== undefined && event.product !== undefined) ||
    (rule.service !== undefined && event.services !== undefined) ||
    (rule.category !== undefined && event.categories !== undefined) ||
    Object.keys(rule.custom).some((key) => event.custom?.[key] !== undefined);
}

/**
 * Whether rules for `rule` that match by what an event lacks are kept from events of this logsource.
 *
 * A rule such as `not id.orig_h: 10.0.0.0/8` is about each connection that Zeek logs. A line of text
 * without a program has no `id.orig_h` either, as it has nothing of any log.
 */
export function needsPresence(rule: Logsource, event: EventLogsource): boolean {
  if (event.isText !== true) return false;
  const isStated = (rule.product ?? rule.service ?? rule.category) !== undefined ||
    Object.keys(rule.custom).length > 0;
  return isStated && !isConfirmed(rule, event);
}

export const CHANNEL_FIELD = internField("Channel");
export const EVENT_ID_FIELD = internField("EventID");
const PROVIDER_FIELD = internField("Provider_Name");
const SOURCE_FIELD = internField("SourceName");
export const EVENT_TYPE_FIELD = internField("EventType");

/** Channels of this form are Windows channels even if the taxonomy does not list them. */
const WINDOWS_CHANNEL = /^microsoft-windows-/i;

/**
 * The event id as an integer, `undefined` if the event has none, a list of them, or one that is no
 * event id, as negative numbers are not.
 */
export function integerEventId(value: Value | undefined): number | undefined {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }
  if (typeof value !== "string" || !/^(?:0|[1-9]\d{0,8})$/.test(value)) return undefined;
  return Number(value);
}

/** How the events of a kind are to be read and which rules they can match. */
export interface EventKind {
  readonly logsource: EventLogsource;
  readonly names: ReadonlyMap<string, readonly Field[]>;
}

const NO_NAMES: ReadonlyMap<string, readonly Field[]> = new Map();

/** What the event says about its logsource, before it is looked up in any table. */
export interface EventTraits {
  readonly product: string | undefined;
  readonly implied: ImpliedLogsource | undefined;
  readonly channel: string | undefined;
  readonly provider: string | undefined;
  readonly eventId: number | undefined;
  readonly eventType: string | undefined;
}

/** Who wrote the event, as Windows names it. */
export function eventProvider(event: LogEvent): string | undefined {
  const provider = event.get(PROVIDER_FIELD) ?? event.get(SOURCE_FIELD);
  return typeof provider === "string" ? provider : undefined;
}

const NO_TRAITS: EventTraits = {
  product: undefined,
  implied: undefined,
  provider: undefined,
  channel: undefined,
  eventId: undefined,
  eventType: undefined,
};

/**
 * Reads the traits that decide an event's kind. One that tells its logsource, as lines of text do, has
 * no channel, whatever its fields are called.
 */
export function eventTraits(event: LogEvent): EventTraits {
  if (event.logsource !== undefined) return { ...NO_TRAITS, implied: event.logsource };
  const channel = event.get(CHANNEL_FIELD);
  const eventId = integerEventId(event.get(EVENT_ID_FIELD));
  const eventType = eventId === 12 ? event.get(EVENT_TYPE_FIELD) : undefined;
  return {
    product: event.product,
    implied: event.logsource,
    provider: eventProvider(event),
    channel: typeof channel === "string" ? channel : undefined,
    eventId,
    eventType: typeof eventType === "string" ? eventType : undefined,
  };
}

/** The kind of an event with these traits; the slow, plain way that everything else caches. */
export function eventKind(traits: EventTraits, fixed: StaticLogsource): EventKind {
  const { channel, eventId, eventType } = traits;
  const services = channel === undefined ? undefined : windowsServices(channel);
  if (services === undefined) return unknownChannelKind(traits, fixed);
  const refined = eventId !== undefined && dependsOnEventType(services, eventId);
  const known = windowsLogsource(services, eventId, refined ? eventType : undefined);
  return {
    logsource: {
      product: "windows",
      services,
      categories: known.categories,
      ...(fixed.custom === undefined ? {} : { custom: fixed.custom }),
    },
    names: internNames(known.fieldNames),
  };
}

/**
 * The services of such a channel are not known; they are none of those whose channels are. Its
 * categories are those of its provider: a rule for process creation has no business with events of
 * the print spooler.
 */
function unknownChannelKind(traits: EventTraits, fixed: StaticLogsource): EventKind {
  const { channel, provider, eventId, implied } = traits;
  const windows = channel !== undefined && WINDOWS_CHANNEL.test(channel);
  const service = provider === undefined ? undefined : providerService(provider);
  const product = traits.product ?? fixed.product ?? implied?.product ??
    (windows || service !== undefined ? "windows" : undefined);
  const own = service === undefined ? undefined : windowsLogsource(new Set([service]), eventId);
  // The format says that it is Windows, or the channel does; and somebody else has written it.
  const foreign = product === "windows" && service === undefined && provider !== undefined &&
    (channel !== undefined || traits.product !== undefined);
  const services = withStated(implied?.services, fixed.service);
  const categories = withStated(implied?.categories, fixed.category) ??
    own?.categories ?? (foreign ? NO_CATEGORIES : undefined);
  return {
    logsource: {
      ...(product === undefined ? {} : { product }),
      ...(services === undefined ? {} : { services }),
      ...(foreign && services === undefined ? { foreignServices: WINDOWS_SERVICES } : {}),
      ...(categories === undefined ? {} : { categories }),
      ...(implied?.isText === true ? { isText: true } : {}),
      ...(fixed.custom === undefined ? {} : { custom: fixed.custom }),
    },
    names: product !== "windows" ? NO_NAMES : internNames(own?.fieldNames ?? flatFieldNames()),
  };
}

const NO_CATEGORIES: ReadonlySet<string> = new Set();

/** A log that is stated to be `auth` holds lines of sshd, for which the rules for either are meant. */
function withStated(
  implied: ReadonlySet<string> | undefined,
  stated: string | undefined,
): ReadonlySet<string> | undefined {
  return stated === undefined ? implied : new Set([...implied ?? [], stated]);
}

function internNames(
  names: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly Field[]> {
  return new Map([...names].map(([field, others]) => [field, others.map(internField)]));
}
