/**
 * The Log Event Extended Format of QRadar, versions 1.0 and 2.0.
 */
import type { LogEvent } from "../event/event.ts";
import { DecodeError } from "./errors.ts";

/** Whether `text` begins as LEEF does. */
export function isLeef(text: string): boolean {
  return /^LEEF:\d/.test(text);
}

/**
 * Decodes a line that contains LEEF; what stands before it is ignored.
 *
 * @throws {DecodeError} `DECODE_LEEF_HEADER`, `DECODE_LEEF_VERSION`.
 */
export function decodeLeef(_line: string): LogEvent {
  throw new DecodeError("DECODE_LEEF_HEADER", "Cannot decode LEEF: not there yet");
}
