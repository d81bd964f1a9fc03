/**
 * Messages in Windows' event log, where administrators look when a service does not start.
 */
import { bunFfi } from "./bun_ffi.ts";
import { wide } from "./windows_service.ts";

/** The name of our messages in the log `Application`; `picket service install` registers it. */
export const EVENT_SOURCE = "Picket";

/** What is told, each with a number that stays. */
export const EVENT_IDS = {
  started: 1000,
  stopped: 1001,
  cannotStart: 1002,
  reloaded: 1100,
  reloadFailed: 1101,
  sinkDown: 1200,
  sinkUp: 1201,
} as const;

export type EventName = keyof typeof EVENT_IDS;

const TYPES: Readonly<Record<EventName, number>> = {
  started: 4,
  stopped: 4,
  cannotStart: 1,
  reloaded: 4,
  reloadFailed: 2,
  sinkDown: 2,
  sinkUp: 4,
};
/** The longest insert of `ReportEventW`. */
const MAX_CHARACTERS = 31_000;

/** Writes one message; whether Windows took it. */
export function reportEvent(event: EventName, message: string): boolean {
  const ffi = bunFfi();
  if (ffi === undefined) return false;
  const advapi = ffi.dlopen("advapi32.dll", {
    RegisterEventSourceW: { args: ["ptr", "ptr"], returns: "ptr" },
    ReportEventW: {
      args: ["ptr", "u16", "u16", "u32", "ptr", "u16", "u32", "ptr", "ptr"],
      returns: "i32",
    },
    DeregisterEventSource: { args: ["ptr"], returns: "i32" },
  });
  const { symbols } = advapi;
  const source = symbols["RegisterEventSourceW"]!(null, wide(EVENT_SOURCE));
  if (source === 0 || source === null) return false;
  const text = wide(message.slice(0, MAX_CHARACTERS).replaceAll("\0", " "));
  const inserts = new BigUint64Array([BigInt(ffi.ptr(text))]);
  const taken = symbols["ReportEventW"]!(
    source,
    TYPES[event],
    0,
    EVENT_IDS[event],
    null,
    1,
    0,
    inserts,
    null,
  );
  symbols["DeregisterEventSource"]!(source);
  advapi.close();
  return taken !== 0;
}
