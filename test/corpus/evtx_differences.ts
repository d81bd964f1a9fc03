/**
 * The ways in which two right decoders may differ over one value, each with its reason.
 *
 * A difference that none of these explains is a finding: one of the decoders is wrong.
 */
import type { PeerName as Program } from "./evtx_peers.ts";

/** A program, or the JSON file beside an EVTX file. */
export type PeerName = Program | "companion";

export interface Kind {
  readonly name: string;
  readonly why: string;
  /** The peers this can happen with; all if absent. */
  readonly peers?: readonly PeerName[];
  matches(ours: string, theirs: string, path: string): boolean;
}

const GUID = /^\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$/i;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const HEX_BYTES = /^(?:[0-9A-F]{2})+$/;

export const KINDS: readonly Kind[] = [
  {
    name: "guid spelling",
    why: "the same GUID; Picket keeps the reference's upper case without braces",
    matches: (ours, theirs) => GUID.test(ours) && GUID.test(theirs) && bare(ours) === bare(theirs),
  },
  {
    name: "time precision",
    why:
      "the same time; Picket keeps the reference's six digits, others print seven, nine or three",
    matches: (ours, theirs) => {
      const [a, b] = [timeKey(ours), timeKey(theirs)];
      return a !== undefined && b !== undefined && (a.startsWith(b) || b.startsWith(a));
    },
  },
  {
    name: "time through a float",
    why: "python-evtx computes times in floating point and is off by some microseconds",
    peers: ["python-evtx"],
    matches: (ours, theirs) => {
      const [a, b] = [microseconds(ours), microseconds(theirs)];
      return a !== undefined && b !== undefined && Math.abs(a - b) <= 100;
    },
  },
  {
    name: "milliseconds of a SYSTEMTIME",
    why: "python-evtx takes the milliseconds of a SYSTEMTIME for microseconds",
    peers: ["python-evtx"],
    matches: (ours, theirs) =>
      timeKey(ours.replace(/\.(\d{3})000Z$/, ".000$1Z")) === (timeKey(theirs) ?? ""),
  },
  {
    name: "late time",
    why: "python-evtx has no time behind the last second of the year 9999",
    peers: ["python-evtx"],
    matches: (ours, theirs) => ours.startsWith("9999-12-31T23:59:59") && theirs.startsWith("0001-"),
  },
  {
    name: "hexadecimal width",
    why: "the same number; others pad HexInt32 and HexInt64 to their width",
    matches: (ours, theirs) => isHex(ours) && isHex(theirs) && BigInt(ours) === BigInt(theirs),
  },
  {
    name: "size_t in decimal",
    why: "the same number; these two print size_t in decimal",
    peers: ["evtxexport", "python-evtx"],
    matches: (ours, theirs) =>
      isHex(ours) && /^\d+$/.test(theirs) && BigInt(ours) === BigInt(theirs),
  },
  {
    name: "boolean case",
    why: "python-evtx prints Python's True and False",
    peers: ["python-evtx"],
    matches: (ours, theirs) => /^(?:True|False)$/.test(theirs) && theirs.toLowerCase() === ours,
  },
  {
    name: "boolean of other words",
    why:
      "any word but 0 is true (section 10, Q27); the peer prints the word, or takes 1 alone for true",
    matches: (ours, theirs) => ours === "true" && /^(?:False|-?\d+)$/.test(theirs),
  },
  {
    name: "float notation",
    why: "the same number in C's exponent notation",
    peers: ["evtxexport"],
    matches: (ours, theirs) =>
      /e[+-]\d{3}$/.test(theirs) && Math.abs(Number(ours) - Number(theirs)) <= 1e-6 *
          Math.abs(Number(ours)),
  },
  {
    name: "signed number",
    why: "libevtx reads the sign bit of a negative integer apart from its magnitude",
    peers: ["evtxexport"],
    matches: (ours, theirs) =>
      /^-\d+$/.test(ours) && /^-\d+$/.test(theirs) &&
      [8n, 16n, 32n, 64n].some((bits) => BigInt(theirs) === -(1n << (bits - 1n)) - BigInt(ours)),
  },
  {
    name: "binary in base64",
    why: "python-evtx prints binary data in base64; Picket in hexadecimal as the reference",
    peers: ["python-evtx"],
    matches: (ours, theirs) =>
      HEX_BYTES.test(ours) && BASE64.test(theirs.trim()) &&
      base64Hex(theirs.trim()) === ours,
  },
  {
    name: "unprintable characters",
    why: "the same text but for characters that XML cannot hold and others drop or replace",
    matches: (ours, theirs) =>
      printable(ours) === printable(theirs) || underscored(ours) === theirs,
  },
  {
    name: "surrogates",
    why: "libevtx decodes surrogate pairs to other characters, and a lone one swallows the next",
    peers: ["evtxexport"],
    matches: (ours, theirs) => /[\ud800-\udfff]/.test(ours) && standsIn(ours, theirs),
  },
  {
    name: "second root of a nested fragment",
    why: "a nested fragment's further roots are ignored (section 9); here a RenderingInfo",
    matches: (ours, _theirs, path) => ours === "" && path.startsWith("Event.RenderingInfo"),
  },
  {
    name: "edited companion",
    why: "the JSON beside the EVTX file was edited: every decoder reads other letter case",
    peers: ["companion"],
    matches: (ours, theirs) => ours.toLowerCase() === theirs.toLowerCase(),
  },
  {
    name: "white space",
    why: "the same text but for white space at its ends or line ends, which others normalise",
    matches: (ours, theirs) => spaced(ours) === spaced(theirs),
  },
];

/** The kind of this difference; `undefined` if it is unexplained. */
export function explain(
  peer: PeerName,
  ours: string,
  theirs: string,
  path: string,
): Kind | undefined {
  return KINDS.find((kind) =>
    (kind.peers === undefined || kind.peers.includes(peer)) && kind.matches(ours, theirs, path)
  );
}

function bare(guid: string): string {
  return guid.replace(/[{}]/g, "").toUpperCase();
}

function isHex(text: string): boolean {
  return /^0x[0-9a-f]{1,16}$/i.test(text);
}

/** Digits of a time; trailing zeros of the fraction away, at most six digits of it. */
function timeKey(text: string): string | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?$/.exec(text);
  if (parts === null) return undefined;
  const fraction = (parts[3] ?? "").slice(0, 6).replace(/0+$/, "");
  return `${parts[1]} ${parts[2]}.${fraction}`;
}

/** Microseconds within ten thousand seconds: enough to tell rounding from another time. */
function microseconds(text: string): number | undefined {
  const key = timeKey(text);
  if (key === undefined) return undefined;
  const [second, fraction] = key.split(".");
  return Date.parse(`${second!.replace(" ", "T")}Z`) % 1e7 * 1000 +
    Number(fraction!.padEnd(6, "0"));
}

/** evtx_dump prints a low line for each character XML 1.0 cannot hold. */
function underscored(text: string): string {
  return Array.from(text, (char) =>
    // deno-lint-ignore no-control-regex
    /^[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]$/.test(char) ? "_" : char).join("");
}

/** Whether the runs of `ours` without surrogates, less what follows each, stand in `theirs` in order. */
function standsIn(ours: string, theirs: string): boolean {
  let at = 0;
  return ours.split(/[\ud800-\udfff]+.?/s).every((run) => {
    const found = theirs.indexOf(printable(run), at);
    at = found + run.length;
    return found >= 0;
  });
}

function base64Hex(text: string): string {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).toHex().toUpperCase();
  } catch {
    return "";
  }
}

function printable(text: string): string {
  // Controls but tab and line ends, lone surrogates and what stands for them, non-characters.
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    "",
  );
}

function spaced(text: string): string {
  return printable(text).replace(/\s+/g, " ").trim();
}
