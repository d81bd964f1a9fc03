/**
 * Why one decoder has a record and another does not, and differences whose reason is not in the value
 * itself but in what stands around it.
 */
import { CHUNK_SIZE, FILE_HEADER_SIZE } from "../../src/decode/evtx/file_header.ts";
import type { EvtxProblem } from "../../src/decode/evtx/errors.ts";
import type { PeerOutput } from "./evtx_peers.ts";
import type { PeerName } from "./evtx_differences.ts";
import type { Theirs } from "./evtx_records.ts";

/** One record of ours: path and text of every value that is not empty. */
export interface OurRecord {
  readonly id: string;
  /** The one in the record's header, which a forwarded event does not share. */
  readonly headerId: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly chunkOffset: number;
  readonly leaves: ReadonlyMap<string, string>;
  /** Paths of the values that are empty. */
  readonly empty: readonly string[];
  /** The same out of the record's XML text. */
  readonly xml: ReadonlyMap<string, string>;
}

export interface OurFile {
  readonly bytes: Uint8Array;
  readonly records: readonly OurRecord[];
  readonly problems: readonly EvtxProblem[];
}

interface Reason {
  readonly name: string;
  readonly why: string;
}

type Verdict = Pick<PeerOutput, "complaints" | "gaveUp">;

/** Why the peer lacks a record of ours; `undefined` if there is no reason. */
export function explainMissing(
  file: OurFile,
  record: OurRecord,
  verdict: Verdict,
  peer: PeerName,
): Reason | undefined {
  if (verdict.gaveUp) {
    return { name: "record missing: gave up", why: "the peer stopped at an earlier record" };
  }
  const numbered = new RegExp(`\\b(?:${record.id}|${record.headerId})\\b`);
  const unnumbered = verdict.complaints.some((line) => line.startsWith("Unable to export record"));
  if (unnumbered || verdict.complaints.some((line) => numbered.test(line))) {
    return { name: "record missing: failed", why: "the peer reports an error for this record" };
  }
  if (isSpoilt(peer, record, "")) {
    return { name: `record missing: ${MARKUP.name}`, why: MARKUP.why };
  }
  const view = new DataView(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength);
  const chunk = (record.chunkOffset - FILE_HEADER_SIZE) / CHUNK_SIZE;
  if (peer !== "evtx_dump" && chunk >= view.getUint16(42, true)) {
    return {
      name: "record missing: header counts fewer chunks",
      why: "the peer trusts the chunk count of a file that was not closed (section 10, Q1)",
    };
  }
  const earlier = file.problems.some(({ offset }) =>
    offset >= record.chunkOffset && offset < record.offset
  );
  if (earlier) {
    return {
      name: "record missing: behind damage",
      why:
        "the peer gives the rest of a chunk up at the first damage in it (section 10, Q12 to Q14)",
    };
  }
  if (record.chunkOffset + CHUNK_SIZE > file.bytes.length) {
    return {
      name: "record missing: truncated chunk",
      why: "the peer drops a chunk that is not whole (section 10, Q5)",
    };
  }
  if (verdict.complaints.some((line) => line.includes("timestamp") && line.includes("range"))) {
    return {
      name: "record missing: written time",
      why: "the peer refuses a record whose header time is too late for it",
    };
  }
  const size = view.getUint32(record.offset + 4, true);
  if (view.getUint32(record.offset + size - 4, true) !== size) {
    return {
      name: "record missing: size copy",
      why: "the peer skips a record whose size copy is wrong (section 10, Q15)",
    };
  }
  const at = record.offset - record.chunkOffset;
  if (at >= view.getUint32(record.chunkOffset + 48, true)) {
    return {
      name: "record missing: stale chunk header",
      why: "the record lies behind what the chunk header knows of (section 10, Q11)",
    };
  }
  return undefined;
}

const MARKUP: Reason = {
  name: "markup in text",
  why: "the peer does not escape what it prints, so its XML is not what the value says",
};

/** Whether a quote in an attribute, or for libevtx any markup, spoils the XML of this section. */
function isSpoilt(peer: PeerName, record: OurRecord, section: string): boolean {
  if (peer !== "evtxexport" && peer !== "python-evtx") return false;
  const names = [...record.leaves.keys(), ...record.empty];
  return names.some((key) => key.startsWith(section) && /["<]/.test(key)) ||
    [...record.leaves].some(([key, value]) =>
      key.startsWith(section) && key.includes("#attributes") && /["<]/.test(value)
    );
}

/** Why the peer has another value at `path`; `undefined` if there is no reason. */
export function explainByContext(
  peer: PeerName,
  record: OurRecord,
  path: string,
): Reason | undefined {
  if (peer === "evtxexport") {
    for (let at = path.length; at > 0; at = path.lastIndexOf(".", at - 1)) {
      if (record.leaves.get(path.slice(0, at))?.includes("<")) return MARKUP;
    }
  }
  if (isSpoilt(peer, record, path.split(".", 2).join("."))) return MARKUP;
  if (peer !== "python-evtx" && peer !== "evtxexport") return undefined;
  const row = path.replace(/\[\d+\]$/, "");
  const items = [...record.leaves].filter(([key]) => key.startsWith(`${row}[`));
  if (record.empty.some((key) => key.startsWith(`${row}[`))) {
    return {
      name: "empty item in a row",
      why: "an empty one of several values is left out; python-evtx also repeats others",
    };
  }
  // deno-lint-ignore no-control-regex
  if (peer === "python-evtx" && items.some(([, text]) => /[^\x00-\x7f]/.test(text))) {
    return {
      name: "string array beyond ASCII",
      why:
        "python-evtx cuts string arrays with a pattern over bytes that takes some letters for ends",
    };
  }
  return undefined;
}

/** Why we lack a record of the peer's; `undefined` if there is no reason. */
export function explainExtra(file: OurFile, record: Theirs): Reason | undefined {
  const isPartial = file.problems.some(({ reason }) => reason === "partial");
  const id = record.leaves.get("Event.System.EventRecordID") ?? "0";
  if (isPartial && id === "0") {
    return {
      name: "record extra: half written",
      why: "values were never written; Picket reports no event (section 10, Q16 and Q17)",
    };
  }
  return undefined;
}
