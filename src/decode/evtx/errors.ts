/**
 * What can be wrong with an EVTX file: errors that end the work on it, and problems that are counted
 * while the rest is read on.
 */
import { PicketError } from "../../event/errors.ts";

/** Why a record, a chunk or a part of one could not be used. */
export const EVTX_PROBLEM_REASONS = [
  "chunk_magic",
  "chunk_crc",
  "record_magic",
  "record_size",
  "token",
  "value",
  "template",
  "depth",
  "partial",
  "truncated",
] as const;

/** What kind of defect it is. */
export type EvtxProblemReason = typeof EVTX_PROBLEM_REASONS[number];

/** One defect that was stepped over. */
export interface EvtxProblem {
  /** What kind of defect it is. */
  readonly reason: EvtxProblemReason;
  /** For people. */
  readonly message: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/** The file cannot be read as EVTX at all. */
export class EvtxError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "EvtxError";
  /** `EVTX_IO`: cannot be read; the others: is no EVTX file. */
  readonly code: "EVTX_TOO_SHORT" | "EVTX_SIGNATURE" | "EVTX_IO";

  /** Made by readers of files. */
  constructor(code: EvtxError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One record cannot be decoded; never leaves `decodeChunk`, which reports an `EvtxProblem`. */
export class RecordError extends PicketError {
  override readonly name = "RecordError";
  readonly code = "EVTX_RECORD";
  readonly reason: EvtxProblemReason;
  /** Bytes from the start of the chunk. */
  readonly offset: number;

  constructor(reason: EvtxProblemReason, message: string, offset: number) {
    super(message);
    this.reason = reason;
    this.offset = offset;
  }
}
