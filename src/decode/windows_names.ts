/**
 * Where the flat names that Sigma rules use stand in the System part of a Windows event.
 *
 * The same for the binary form (`evtx/layout.ts`) and for JSON made from it (`windows_json.ts`).
 */

/** System children under their own names; these beat EventData fields of the same name. */
export const SYSTEM_CHILDREN: ReadonlySet<string> = new Set([
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

/** Attributes of System children; an EventData field of the same name beats these. */
export const SYSTEM_ATTRIBUTES: ReadonlyMap<
  string,
  readonly [element: string, attribute: string]
> = new Map([
  ["Provider_Name", ["Provider", "Name"]],
  ["ProviderName", ["Provider", "Name"]],
  ["Provider", ["Provider", "Name"]],
  ["EventSourceName", ["Provider", "EventSourceName"]],
  ["Provider_Guid", ["Provider", "Guid"]],
  ["ProviderGuid", ["Provider", "Guid"]],
  ["Qualifiers", ["EventID", "Qualifiers"]],
  ["TimeCreated", ["TimeCreated", "SystemTime"]],
  ["SystemTime", ["TimeCreated", "SystemTime"]],
  ["TimeCreated_SystemTime", ["TimeCreated", "SystemTime"]],
  ["Execution_ProcessID", ["Execution", "ProcessID"]],
  ["Execution_ThreadID", ["Execution", "ThreadID"]],
  ["UserID", ["Security", "UserID"]],
  ["Security_UserID", ["Security", "UserID"]],
  ["ActivityID", ["Correlation", "ActivityID"]],
  ["RelatedActivityID", ["Correlation", "RelatedActivityID"]],
]);

/** Parts of an event that a name may begin with in place of `Event.`. */
export const EVENT_BRANCHES: ReadonlySet<string> = new Set([
  "System",
  "EventData",
  "UserData",
  "RenderingInfo",
]);
