/**
 * Windows events that other programs have written as nested JSON.
 *
 * Rules ask for `Image` and `EventID`. What `evtx_dump`, chainsaw and SigmaHQ's regression data
 * write has these under `Event.EventData` and `Event.System`; Winlogbeat and Elastic Agent have them
 * under `winlog.event_data` and `winlog`.
 */
import type { Field } from "../event/field.ts";
import { isObject, type Value, type ValueObject } from "../event/value.ts";

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

const SYSTEM_ATTRIBUTES: Readonly<Record<string, readonly [element: string, attribute: string]>> = {
  "Provider_Name": ["Provider", "Name"],
  "ProviderName": ["Provider", "Name"],
  "Provider": ["Provider", "Name"],
  "SourceName": ["Provider", "Name"],
  "Provider_Guid": ["Provider", "Guid"],
  "ProviderGuid": ["Provider", "Guid"],
  "TimeCreated": ["TimeCreated", "SystemTime"],
  "SystemTime": ["TimeCreated", "SystemTime"],
  "Execution_ProcessID": ["Execution", "ProcessID"],
  "Execution_ThreadID": ["Execution", "ThreadID"],
  "UserID": ["Security", "UserID"],
  "Security_UserID": ["Security", "UserID"],
  "ActivityID": ["Correlation", "ActivityID"],
};

const SYSTEM_CHILDREN: ReadonlySet<string> = new Set([
  "EventID",
  "Version",
  "Level",
  "Task",
  "Opcode",
  "Keywords",
  "EventRecordID",
  "Channel",
  "Computer",
]);

function dumpedShape(event: ValueObject, system: ValueObject): WindowsShape {
  const data = event["EventData"];
  const user = event["UserData"];
  const userLeaves = isObject(user) ? Object.values(user).find(isObject) : undefined;
  return {
    get({ name }) {
      if (SYSTEM_CHILDREN.has(name)) {
        // An element with attributes holds its text beside them, as classic event ids do.
        const child = own(system, name);
        return isObject(child) ? own(child, "#text") : child;
      }
      if (isObject(data)) {
        if (name === "Data") return dataText(own(data, "Data"));
        const value = own(data, name);
        if (value !== undefined) return value;
      }
      if (Object.hasOwn(SYSTEM_ATTRIBUTES, name)) {
        const [element, attribute] = SYSTEM_ATTRIBUTES[name]!;
        // `evtx_dump --separate-json-attributes` and chainsaw keep attributes beside the element.
        const beside = own(system, `${element}_attributes`);
        const parent = own(system, element);
        const attributes = isObject(beside)
          ? beside
          : isObject(parent)
          ? own(parent, "#attributes")
          : undefined;
        const value = isObject(attributes) ? own(attributes, attribute) : undefined;
        if (value !== undefined) return value;
      }
      return userLeaves === undefined ? undefined : own(userLeaves, name);
    },
  };
}

/** The positional strings of a classic event. */
function dataText(data: Value | undefined): Value | undefined {
  return isObject(data) ? own(data, "#text") : data;
}

const WINLOG_NAMES: Readonly<Record<string, string>> = {
  "EventID": "event_id",
  "Channel": "channel",
  "Computer": "computer_name",
  "Provider_Name": "provider_name",
  "ProviderName": "provider_name",
  "Provider": "provider_name",
  "Provider_Guid": "provider_guid",
  "ProviderGuid": "provider_guid",
  "EventRecordID": "record_id",
  "Task": "task",
  "Opcode": "opcode",
  "Keywords": "keywords",
};

function winlogShape(winlog: ValueObject, root: ValueObject): WindowsShape {
  const parts = [winlog["event_data"], winlog["user_data"]].filter(isObject);
  return {
    get({ name }) {
      if (Object.hasOwn(WINLOG_NAMES, name)) {
        const value = own(winlog, WINLOG_NAMES[name]!);
        if (value !== undefined) return value;
      }
      for (const part of parts) {
        const value = own(part, name);
        if (value !== undefined) return value;
      }
      return name === "Message" ? own(root, "message") : undefined;
    },
  };
}

function own(object: ValueObject, key: string): Value | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
