/**
 * Windows events that other programs have written as nested JSON.
 *
 * Rules ask for `Image` and `EventID`. What `evtx_dump`, chainsaw and SigmaHQ's regression data
 * write has these under `Event.EventData` and `Event.System`; Winlogbeat and Elastic Agent have them
 * under `winlog.event_data` and `winlog`.
 */
import type { Field } from "../event/field.ts";
import { lookup } from "../event/lookup.ts";
import { isObject, type Value, type ValueObject } from "../event/value.ts";
import { EVENT_BRANCHES, SYSTEM_ATTRIBUTES, SYSTEM_CHILDREN } from "./windows_names.ts";

/** Answers flat Sigma names from a nested event. */
export interface WindowsShape {
  get(field: Field): Value | undefined;
}

/** The shape of `root`, or `undefined` if it is none of the known ones. */
export function windowsShape(root: Value): WindowsShape | undefined {
  if (!isObject(root)) return undefined;
  const event = root["Event"];
  if (isObject(event) && isObject(event["System"])) return dumpedShape(event, event["System"]);
  const winlog = root["winlog"];
  if (isObject(winlog)) return winlogShape(winlog, root);
  return undefined;
}

/** Elements of `UserData` deeper than this are not looked at. */
const MAX_USER_DATA_DEPTH = 8;

/** Names are tried in the order in which the decoder of EVTX files tries them. */
function dumpedShape(event: ValueObject, system: ValueObject): WindowsShape {
  const data = event["EventData"];
  const user = event["UserData"];
  // Collected when a field is not elsewhere, and once, however large it is.
  let leaves: ReadonlyMap<string, Value> | undefined;
  return {
    get(field) {
      const { name, path } = field;
      if (SYSTEM_CHILDREN.has(name)) {
        const value = elementText(own(system, name));
        if (value !== undefined) return value;
      }
      if (isObject(data) && name !== "Data") {
        const value = own(data, name);
        if (value !== undefined) return value;
      }
      const attribute = systemAttribute(system, name);
      if (attribute !== undefined) return attribute;
      if (isObject(user)) {
        leaves ??= userLeaves(user);
        const leaf = leaves.get(name);
        if (leaf !== undefined) return leaf;
      }
      if (name === "Data") return isObject(data) ? elementText(own(data, "Data")) : undefined;
      if (name === "Message") return messageText(event["RenderingInfo"]);
      if (EVENT_BRANCHES.has(path?.[0]?.key ?? name)) return lookup(event, field);
      return positional(field, isObject(data) ? elementText(own(data, "Data")) : undefined);
    },
  };
}

/** An element with attributes holds its text beside them, as classic event ids do. */
function elementText(element: Value | undefined): Value | undefined {
  return isObject(element) ? own(element, "#text") : element;
}

function systemAttribute(system: ValueObject, name: string): Value | undefined {
  if (name === "SourceName") {
    return systemAttribute(system, "EventSourceName") ?? systemAttribute(system, "Provider_Name");
  }
  const place = SYSTEM_ATTRIBUTES.get(name);
  if (place === undefined) return undefined;
  const [element, attribute] = place;
  // `evtx_dump --separate-json-attributes` and chainsaw keep attributes beside the element.
  const beside = own(system, `${element}_attributes`);
  const parent = own(system, element);
  const attributes = isObject(beside)
    ? beside
    : isObject(parent)
    ? own(parent, "#attributes")
    : undefined;
  const value = isObject(attributes) ? own(attributes, attribute) : undefined;
  return attribute === "Guid" && typeof value === "string" ? bracedGuid(value) : value;
}

/** The spelling rules use for a provider. */
function bracedGuid(guid: string): string {
  return `{${guid.replace(/[{}]/g, "").toLowerCase()}}`;
}

/** Elements without elements inside, by name, at any depth; of several the first counts. */
function userLeaves(
  parent: ValueObject,
  leaves: Map<string, Value> = new Map(),
  depth = 0,
): ReadonlyMap<string, Value> {
  for (const [key, value] of Object.entries(parent)) {
    if (key === "#attributes" || key.endsWith("_attributes")) continue;
    const leaf = elementText(value);
    if (leaf !== undefined) {
      if (!leaves.has(key)) leaves.set(key, leaf);
    } else if (isObject(value) && depth < MAX_USER_DATA_DEPTH) userLeaves(value, leaves, depth + 1);
  }
  return leaves;
}

function messageText(rendering: Value | undefined): Value | undefined {
  return isObject(rendering) ? elementText(own(rendering, "Message")) : undefined;
}

/** `Data[0]`: one of the positional strings of a classic event. */
function positional(field: Field, data: Value | undefined): Value | undefined {
  if (data === undefined || field.path?.length !== 1 || field.path[0]!.key !== "Data") {
    return undefined;
  }
  return lookup({ Data: Array.isArray(data) ? data : [data] }, field);
}

const WINLOG_NAMES: Readonly<Record<string, readonly string[]>> = {
  "EventID": ["event_id"],
  "Channel": ["channel"],
  "Computer": ["computer_name"],
  "Provider_Name": ["provider_name"],
  "ProviderName": ["provider_name"],
  "Provider": ["provider_name"],
  "SourceName": ["provider_name"],
  "Provider_Guid": ["provider_guid"],
  "ProviderGuid": ["provider_guid"],
  "EventRecordID": ["record_id"],
  "Version": ["version"],
  "Task": ["task"],
  "Opcode": ["opcode"],
  "Keywords": ["keywords"],
  "Execution_ProcessID": ["process", "pid"],
  "Execution_ThreadID": ["process", "thread", "id"],
  "UserID": ["user", "identifier"],
  "Security_UserID": ["user", "identifier"],
  "ActivityID": ["activity_id"],
  "RelatedActivityID": ["related_activity_id"],
};

function winlogShape(winlog: ValueObject, root: ValueObject): WindowsShape {
  const data = winlog["event_data"];
  const user = winlog["user_data"];
  return {
    get(field) {
      const { name } = field;
      const isSystem = Object.hasOwn(WINLOG_NAMES, name);
      if (isSystem && SYSTEM_CHILDREN.has(name)) {
        const value = inside(winlog, WINLOG_NAMES[name]!);
        if (value !== undefined) return value;
      }
      const value = (isObject(data) ? own(data, name) : undefined) ??
        (isSystem ? winlogAttribute(winlog, name) : undefined) ??
        (isObject(user) ? own(user, name) : undefined);
      if (value !== undefined) return value;
      if (name === "Message") return own(root, "message");
      if (name === "Data") return isObject(data) ? parameters(data) : undefined;
      return positional(field, isObject(data) ? parameters(data) : undefined);
    },
  };
}

function winlogAttribute(winlog: ValueObject, name: string): Value | undefined {
  const value = inside(winlog, WINLOG_NAMES[name]!);
  return name.endsWith("Guid") && typeof value === "string" ? bracedGuid(value) : value;
}

function inside(parent: ValueObject, keys: readonly string[]): Value | undefined {
  let value: Value | undefined = parent;
  for (const key of keys) value = isObject(value) ? own(value, key) : undefined;
  return value;
}

/** Winlogbeat numbers the positional strings of a classic event: `param1`, `param2`, … */
function parameters(data: ValueObject): Value | undefined {
  const values: Value[] = [];
  for (let number = 1;; number++) {
    const value = own(data, `param${number}`);
    if (value === undefined) break;
    values.push(value);
  }
  return values.length === 0 ? undefined : values;
}

function own(object: ValueObject, key: string): Value | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
