/**
 * Windows events as a person thinks of them, turned into records with the templates Windows uses:
 * an outer one for `Event/System` and a nested one for `EventData` or `UserData` (section 7.3).
 */
import { createHash } from "node:crypto";
import type { EvtxRecord } from "./evtx_chunk.ts";
import {
  element,
  type EvtxElement,
  type EvtxNode,
  type EvtxTemplate,
  instance,
  normal,
  optional,
  template,
  text,
} from "./evtx_tree.ts";
import {
  ARRAY,
  binary,
  bool,
  type EvtxValue,
  fileTime,
  fragment,
  guid,
  hexInt64,
  int32,
  int64,
  NULL_VALUE,
  real64,
  sid,
  string,
  stringArray,
  ticksOf,
  TYPE,
  uint16,
  uint32,
  uint64,
  uint8,
} from "./evtx_values.ts";

/**
 * The value of a field. Strings and booleans become what they are, `null` a missing value, whole
 * numbers Int32 (or UInt32, Int64, UInt64 as their size asks), other numbers doubles, an array a
 * string array; anything else is said with an `EvtxValue`.
 */
export type DataValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly string[]
  | EvtxValue;

/** A field of EventData with its name, or without one as classic providers write it. */
export type DataField = readonly [name: string | undefined, value: DataValue];

export interface WindowsEventSpec {
  readonly channel: string;
  readonly provider: string;
  /** Without braces; absent for classic providers. */
  readonly providerGuid?: string;
  readonly eventSourceName?: string;
  readonly eventId: number;
  /** Given by classic providers; makes EventID an element with an attribute. */
  readonly qualifiers?: number;
  readonly version?: number;
  readonly level?: number;
  readonly task?: number;
  readonly opcode?: number;
  readonly keywords?: bigint;
  /** Counted from 1 in the order of the list if absent. */
  readonly recordId?: bigint;
  /** ISO 8601 UTC with up to seven digits of a second. */
  readonly time: string;
  readonly computer: string;
  readonly userId?: string;
  readonly processId?: number;
  readonly threadId?: number;
  readonly activityId?: string;
  readonly relatedActivityId?: string;
  /** EventData, in order. An object cannot repeat a name; a list can. */
  readonly data?: Readonly<Record<string, DataValue>> | readonly DataField[];
  /** The `Binary` element of classic events. */
  readonly binary?: Uint8Array;
  /** UserData with its one provider element. */
  readonly userData?: {
    readonly element: string;
    readonly namespace?: string;
    readonly fields: Readonly<Record<string, DataValue>>;
  };
}

export interface EventStyle {
  /** Write EventData strings with a terminator, as Sysmon does. */
  readonly terminated?: boolean;
  /** Write a bare element tree of text, as collectors re-serialise forwarded events. */
  readonly templateless?: boolean;
  /** Leave the fragment header of nested values out. */
  readonly noNestedHeader?: boolean;
}

const EVENT_NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event";

const SYSTEM_TEMPLATE: EvtxTemplate = template(
  "5d7b6a80-2b41-4c1f-9d0e-6f3a51c09e11",
  element("Event", { xmlns: EVENT_NAMESPACE }, [
    element("System", {}, [
      element("Provider", {
        Name: optional(14, TYPE.string),
        Guid: optional(15, TYPE.guid),
        EventSourceName: optional(13, TYPE.string),
      }),
      element("EventID", { Qualifiers: optional(4, TYPE.uint16) }, [normal(3, TYPE.uint16)]),
      element("Version", {}, [optional(11, TYPE.uint8)]),
      element("Level", {}, [normal(0, TYPE.uint8)]),
      element("Task", {}, [normal(2, TYPE.uint16)]),
      element("Opcode", {}, [normal(1, TYPE.uint8)]),
      element("Keywords", {}, [normal(5, TYPE.hexInt64)]),
      element("TimeCreated", { SystemTime: normal(6, TYPE.fileTime) }),
      element("EventRecordID", {}, [normal(10, TYPE.uint64)]),
      element("Correlation", {
        ActivityID: optional(7, TYPE.guid),
        RelatedActivityID: optional(18, TYPE.guid),
      }),
      element("Execution", {
        ProcessID: normal(8, TYPE.uint32),
        ThreadID: normal(9, TYPE.uint32),
      }),
      element("Channel", {}, [normal(16, TYPE.string)]),
      element("Computer", {}, [normal(17, TYPE.string)]),
      element("Security", { UserID: optional(12, TYPE.sid) }),
    ]),
    optional(19, TYPE.fragment),
  ]),
);

/** The record of `event`; `defaultId` serves if it names none. */
export function eventRecord(
  event: WindowsEventSpec,
  defaultId: bigint,
  style: EventStyle = {},
): EvtxRecord {
  const id = event.recordId ?? defaultId;
  const body = style.templateless
    ? textTree(event, id)
    : instance(SYSTEM_TEMPLATE, systemValues(event, id, style));
  return { id, writtenTicks: ticksOf(event.time), body: [body] };
}

function systemValues(event: WindowsEventSpec, id: bigint, style: EventStyle): EvtxValue[] {
  return [
    uint8(event.level ?? 4),
    uint8(event.opcode ?? 0),
    uint16(event.task ?? 0),
    uint16(event.eventId),
    given(event.qualifiers, uint16),
    hexInt64(event.keywords ?? 0x8000000000000000n),
    fileTime(ticksOf(event.time)),
    given(event.activityId, guid),
    uint32(event.processId ?? 4),
    uint32(event.threadId ?? 8),
    uint64(id),
    uint8(event.version ?? 0),
    given(event.userId, sid),
    given(event.eventSourceName, string),
    string(event.provider),
    given(event.providerGuid, guid),
    string(event.channel),
    string(event.computer),
    given(event.relatedActivityId, guid),
    payload(event, style),
  ];
}

function given<T>(value: T | undefined, encode: (value: T) => EvtxValue): EvtxValue {
  return value === undefined ? NULL_VALUE : encode(value);
}

/** The nested EventData or UserData; null for an event with neither. */
function payload(event: WindowsEventSpec, style: EventStyle): EvtxValue {
  const { userData } = event;
  if (userData !== undefined) {
    const fields = Object.entries(userData.fields);
    const values = fields.map(([, value]) => encodeValue(value, style));
    const root = element("UserData", {}, [
      element(
        userData.element,
        userData.namespace === undefined ? {} : { xmlns: userData.namespace },
        fields.map(([name], at) => element(name, {}, [slot(values, at)])),
      ),
    ]);
    return nested(root, values, event, style);
  }
  const fields = dataFields(event);
  if (event.data === undefined && event.binary === undefined) return NULL_VALUE;
  const values = fields.map(([, value]) => encodeValue(value, style));
  const children = fields.map(([name], at) =>
    element("Data", name === undefined ? {} : { Name: name }, [slot(values, at)])
  );
  if (event.binary !== undefined) {
    children.push(element("Binary", {}, [optional(values.length, TYPE.binary)]));
    values.push(binary(event.binary));
  }
  return nested(element("EventData", {}, children), values, event, style);
}

/** Fields of EventData as a list. */
export function dataFields(event: WindowsEventSpec): readonly DataField[] {
  const { data } = event;
  if (data === undefined) return [];
  return isFieldList(data) ? data : Object.entries(data);
}

function isFieldList(data: NonNullable<WindowsEventSpec["data"]>): data is readonly DataField[] {
  return Array.isArray(data);
}

function slot(values: readonly EvtxValue[], at: number): EvtxNode {
  const value = values[at]!;
  // A missing value still has the type its template was written for.
  const type = value.kind === "bytes" ? value.code || TYPE.string : TYPE.fragment;
  // libevtx refuses a whole file over a normal substitution of nothing, so nothing is optional.
  const mayVanish = (type & ARRAY) !== 0 || value === NULL_VALUE;
  return mayVanish ? optional(at, type) : normal(at, type);
}

function nested(
  root: EvtxElement,
  values: readonly EvtxValue[],
  event: WindowsEventSpec,
  style: EventStyle,
): EvtxValue {
  const identity = `${event.provider}\n${event.eventId}\n${JSON.stringify(root)}`;
  const nestedTemplate = template(guidOf(identity), root);
  return fragment([instance(nestedTemplate, values)], !style.noNestedHeader);
}

/** A GUID that depends on nothing but `identity`, so that files come out the same every time. */
export function guidOf(identity: string): string {
  const hex = createHash("sha256").update(identity).digest("hex");
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]]
    .map(([from, to]) => hex.slice(from, to)).join("-");
}

/** The typed value of a field as it is written by default. */
export function encodeValue(value: DataValue, style: EventStyle = {}): EvtxValue {
  switch (typeof value) {
    case "string":
      return string(value, style.terminated);
    case "number":
      return encodeNumber(value);
    case "bigint":
      return value >= 0x8000000000000000n ? uint64(value) : int64(value);
    case "boolean":
      return bool(value);
    default:
      if (value === null) return NULL_VALUE;
      return isStringList(value) ? stringArray(value) : value;
  }
}

function isStringList(value: readonly string[] | EvtxValue): value is readonly string[] {
  return Array.isArray(value);
}

function encodeNumber(value: number): EvtxValue {
  if (!Number.isInteger(value)) return real64(value);
  if (value === (value | 0)) return int32(value);
  return value === value >>> 0 ? uint32(value) : int64(BigInt(value));
}

/** The event as a collector re-serialises it: no templates, everything text. */
function textTree(event: WindowsEventSpec, id: bigint): EvtxElement {
  const attributes = (entries: Readonly<Record<string, string | undefined>>) =>
    Object.fromEntries(
      Object.entries(entries).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
  const leaf = (name: string, value: string | number | bigint) =>
    element(name, {}, [text(String(value))]);
  const provider = attributes({
    Name: event.provider,
    Guid: event.providerGuid === undefined ? undefined : `{${event.providerGuid}}`,
    EventSourceName: event.eventSourceName,
  });
  const qualifiers = attributes({ Qualifiers: event.qualifiers?.toString() });
  const data = dataFields(event).map(([name, value]) =>
    element("Data", name === undefined ? {} : { Name: name }, textNodes(value))
  );
  const userData = event.userData;
  const body = userData === undefined ? element("EventData", {}, data) : element("UserData", {}, [
    element(
      userData.element,
      attributes({ xmlns: userData.namespace }),
      Object.entries(userData.fields).map(([name, value]) => element(name, {}, textNodes(value))),
    ),
  ]);
  return element("Event", { xmlns: EVENT_NAMESPACE }, [
    element("System", {}, [
      element("Provider", provider),
      element("EventID", qualifiers, [text(String(event.eventId))]),
      leaf("Version", event.version ?? 0),
      leaf("Level", event.level ?? 4),
      leaf("Task", event.task ?? 0),
      leaf("Opcode", event.opcode ?? 0),
      leaf("Keywords", `0x${(event.keywords ?? 0x8000000000000000n).toString(16)}`),
      element("TimeCreated", { SystemTime: event.time }),
      leaf("EventRecordID", id),
      element("Execution", {
        ProcessID: String(event.processId ?? 4),
        ThreadID: String(event.threadId ?? 8),
      }),
      leaf("Channel", event.channel),
      leaf("Computer", event.computer),
      element("Security", attributes({ UserID: event.userId })),
    ]),
    body,
  ]);
}

function textNodes(value: DataValue): readonly EvtxNode[] {
  if (value === null || value === "") return [];
  if (typeof value === "object") throw new RangeError("A record without templates holds text only");
  return [text(String(value))];
}
