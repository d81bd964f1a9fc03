/**
 * Why a line or document is not an event.
 */
import { PicketError } from "../event/errors.ts";

/** What is wrong with a line; in lower case also the `reason` of counters. */
export type DecodeErrorCode =
  /** Is not JSON, or not an event. */
  | "DECODE_JSON"
  /** No `CEF:`, or fewer than seven pipes behind it. */
  | "DECODE_CEF_HEADER"
  | "DECODE_CEF_VERSION"
  /** No `LEEF:`, or too few pipes behind it. */
  | "DECODE_LEEF_HEADER"
  | "DECODE_LEEF_VERSION"
  /** Is not XML, or not a Windows event. */
  | "DECODE_XML"
  /** No `type=… msg=audit(…)`. */
  | "DECODE_AUDITD";

/** A line or document that is not an event. */
export class DecodeError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "DecodeError";
  /** What is wrong. */
  readonly code: DecodeErrorCode;

  /** Made by decoders. */
  constructor(code: DecodeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
