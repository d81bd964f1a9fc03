/**
 * The Common Event Format of ArcSight and of those who write it as well.
 *
 * @see inputs.md, section 8
 */
import type { LogEvent } from "../event/event.ts";
import { DecodeError } from "./errors.ts";

/** Whether `text` begins as CEF does. */
export function isCef(text: string): boolean {
  return /^CEF:\d/.test(text);
}

/**
 * Decodes a line that contains CEF; what stands before it is ignored.
 *
 * @throws {DecodeError} `DECODE_CEF_HEADER`, `DECODE_CEF_VERSION`.
 */
export function decodeCef(_line: string): LogEvent {
  throw new DecodeError("DECODE_CEF_HEADER", "Cannot decode CEF: not there yet");
}
