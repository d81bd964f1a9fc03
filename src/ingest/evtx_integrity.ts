/**
 * Signs that an EVTX file was damaged or tampered with, for `picket evtx check`.
 *
 * None of them proves anything alone: a wrapped log keeps remains of old records, an exported one
 * has gaps, a clock that was set goes backwards. Together they tell an analyst where to look.
 */
import { decodeChunk, findRecord } from "../decode/evtx/decode_chunk.ts";
import { decodeChunkHeader, isChunk, verifyChunk } from "../decode/evtx/chunk_header.ts";
import { EvtxDecoder } from "../decode/evtx/decoder.ts";
import type { EvtxEvent } from "../decode/evtx/event.ts";
import { internField } from "../event/field.ts";
import { scalarText } from "../event/value.ts";
import { EvtxFileReader } from "./evtx_file.ts";

/** Findings kept of each kind; `counts` goes on. */
const MAX_FINDINGS = 1000;
/** Rows of consecutive record ids kept; a log with more is a collection, not a sequence. */
const MAX_RUNS = 100_000;
/** Threads write with times a few milliseconds apart; clocks are corrected by more. */
const TOLERANCE_MS = 2000;
/** FILETIME 0: exports leave the written time of a record out, often that of the last. */
const NO_TIME_MS = Date.UTC(1601, 0, 1);
/** 4 MiB. */
const CHUNKS_PER_STEP = 64;

interface Finding {
  readonly message: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

export type IntegrityFinding =
  /** Records between two others are not in the file. */
  | Finding & {
    readonly kind: "record_gap";
    readonly after: number | bigint;
    readonly before: number | bigint;
  }
  /** A record was written before the one that precedes it by id. */
  | Finding & {
    readonly kind: "time_backwards";
    readonly recordId: number | bigint;
    readonly byMs: number;
  }
  | Finding & { readonly kind: "checksum_mismatch"; readonly part: "file" | "chunk" | "records" }
  /** An intact record that the log does not count: behind its end, or inside another record. */
  | Finding & {
    readonly kind: "unreferenced_record";
    readonly recordId: number | bigint | undefined;
    readonly place: "slack" | "record";
  }
  /** The log says that it was cleared. */
  | Finding & {
    readonly kind: "log_cleared";
    readonly recordId: number | bigint;
    readonly timestamp: string;
    readonly user: string | undefined;
  }
  /** Part of the file could not be decoded. */
  | Finding & { readonly kind: "damage"; readonly reason: string };

export interface IntegrityReport {
  readonly path: string;
  readonly records: number;
  /** At most 1,000 of each kind, in file order, gaps last. */
  readonly findings: readonly IntegrityFinding[];
  /** All of them, by kind. */
  readonly counts: ReadonlyMap<IntegrityFinding["kind"], number>;
}

/** Consecutive record ids. */
interface Run {
  first: number | bigint;
  last: number | bigint;
  /** Of its first record. */
  offset: number;
}

const SUBJECT_USER = internField("SubjectUserName");

/**
 * Reads a whole file and looks for traces of damage and tampering.
 *
 * @throws {EvtxError} if it cannot be read or is no EVTX file.
 */
export function checkIntegrity(path: string): IntegrityReport {
  using reader = EvtxFileReader.open(path);
  const check = new IntegrityCheck();
  check.fileHeader(reader);
  reader.forEachChunk(0, reader.chunkCount, (chunk, offset) => check.chunk(chunk, offset));
  return check.report(path);
}

/** `checkIntegrity` that lets go every 64 chunks; rejects with the reason of `signal`. */
export async function checkIntegrityInSteps(
  path: string,
  signal: AbortSignal,
): Promise<IntegrityReport> {
  using reader = EvtxFileReader.open(path);
  const check = new IntegrityCheck();
  check.fileHeader(reader);
  for (let first = 0; first < reader.chunkCount; first += CHUNKS_PER_STEP) {
    reader.forEachChunk(first, first + CHUNKS_PER_STEP, (chunk, at) => check.chunk(chunk, at));
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
  }
  return check.report(path);
}

class IntegrityCheck {
  readonly findings: IntegrityFinding[] = [];
  readonly counts = new Map<IntegrityFinding["kind"], number>();
  records = 0;
  readonly #decoder = new EvtxDecoder();
  readonly #runs: Run[] = [];
  #run: Run | undefined;
  #writtenMs = 0;

  add(finding: IntegrityFinding): void {
    const count = (this.counts.get(finding.kind) ?? 0) + 1;
    this.counts.set(finding.kind, count);
    if (count <= MAX_FINDINGS) this.findings.push(finding);
  }

  chunk(chunk: Uint8Array, offset: number): void {
    if (isChunk(chunk)) this.#checksums(chunk, offset);
    decodeChunk(chunk, offset, this.#decoder, (event) => {
      if (event.recovered) this.#unreferenced(event);
      else this.#record(event, chunk, offset);
    }, ({ reason, message, offset: at }) => {
      this.add({ kind: "damage", reason, message, offset: at });
    }, { recover: true });
  }

  fileHeader({ header }: EvtxFileReader): void {
    if (header.checksumValid) return;
    const message = "the checksum of the file header is wrong";
    this.add({ kind: "checksum_mismatch", part: "file", offset: 0, message });
  }

  report(path: string): IntegrityReport {
    this.#gaps();
    return { path, records: this.records, findings: this.findings, counts: this.counts };
  }

  /** Reports the ids missing between rows of consecutive ones. */
  #gaps(): void {
    if (this.#run !== undefined) this.#runs.push(this.#run);
    const runs = this.#runs.sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0);
    let last: number | bigint | undefined;
    for (const run of runs) {
      if (last !== undefined && run.first > next(last)) {
        this.add({
          kind: "record_gap",
          after: last,
          before: run.first,
          offset: run.offset,
          message: `${BigInt(run.first) - BigInt(last) - 1n} records are missing between ` +
            `${last} and ${run.first}`,
        });
      }
      if (last === undefined || run.last > last) last = run.last;
    }
  }

  #checksums(chunk: Uint8Array, offset: number): void {
    const { header, data } = verifyChunk(chunk);
    const message = (what: string) => `the checksum of ${what} at ${offset} is wrong`;
    if (!header) {
      const part = "chunk";
      this.add({ kind: "checksum_mismatch", part, offset, message: message("the chunk header") });
    }
    if (!data && decodeChunkHeader(chunk).freeSpaceOffset <= chunk.length) {
      const part = "records";
      this.add({ kind: "checksum_mismatch", part, offset, message: message("the records") });
    }
  }

  #record(event: EvtxEvent, chunk: Uint8Array, chunkOffset: number): void {
    this.records++;
    const { recordId: id, writtenMs, offset } = event;
    if (this.#run !== undefined && id === next(this.#run.last)) {
      this.#run.last = id;
      const byMs = this.#writtenMs - writtenMs;
      if (byMs > TOLERANCE_MS && writtenMs > NO_TIME_MS) {
        const message = `record ${id} was written ${byMs} ms before record ${Number(id) - 1}`;
        this.add({ kind: "time_backwards", recordId: id, byMs, offset, message });
      }
    } else {
      if (this.#run !== undefined && this.#runs.length < MAX_RUNS) this.#runs.push(this.#run);
      this.#run = { first: id, last: id, offset };
    }
    if (writtenMs > NO_TIME_MS) this.#writtenMs = writtenMs;
    const at = offset - chunkOffset;
    const hidden = findRecord(chunk.subarray(0, at + event.size), at + 8, true);
    if (hidden >= 0) {
      this.add({
        kind: "unreferenced_record",
        place: "record",
        recordId: undefined,
        offset: chunkOffset + hidden,
        message: `record ${id} has another record inside`,
      });
    }
    this.#cleared(event);
  }

  #cleared(event: EvtxEvent): void {
    const { eventId, channel } = event;
    const isCleared = (eventId === 1102 && channel === "Security") ||
      (eventId === 104 && channel === "System" && event.provider === "Microsoft-Windows-Eventlog");
    if (!isCleared) return;
    const user = scalarText(event.get(SUBJECT_USER));
    const { recordId, offset, timestampText: timestamp } = event;
    const message = `the ${channel} log says that a log was cleared at ${timestamp}`;
    this.add({ kind: "log_cleared", recordId, timestamp, user, offset, message });
  }

  #unreferenced(event: EvtxEvent): void {
    const { recordId, offset } = event;
    const message = `record ${recordId} is behind the end of its chunk's records`;
    this.add({ kind: "unreferenced_record", place: "slack", recordId, offset, message });
  }
}

function next(id: number | bigint): number | bigint {
  return typeof id === "number" ? id + 1 : id + 1n;
}
