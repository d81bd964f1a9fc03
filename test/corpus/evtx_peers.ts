/**
 * The independent EVTX decoders the comparison runs, each as its own program, each asked for XML.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

export type PeerName = "evtx_dump" | "evtxexport" | "python-evtx";

export interface Peer {
  readonly name: PeerName;
  readonly program: string;
  readonly arguments: readonly string[];
}

export interface PeerOutput {
  readonly xml: string;
  /** What it said about records and chunks it could not read; empty if all went well. */
  readonly complaints: readonly string[];
  /** It ended early, so the records behind are not its verdict. */
  readonly gaveUp: boolean;
}

const MAX_OUTPUT_BYTES = 1 << 30; // The largest corpus file becomes some 10 MB of XML.

// The program of the package stops at the first record it cannot read; this one goes on.
const PYTHON = `
import sys
from Evtx.Evtx import Evtx
out = open(1, "w", encoding="utf-8", errors="surrogatepass")
with Evtx(sys.argv[1]) as log:
    for record in log.records():
        try:
            xml = record.xml()
        except Exception as error:
            print("record %d: %s %s" % (record.record_num(), type(error).__name__, error), file=sys.stderr)
        else:
            out.write(xml + "\\n")
`;

/** The peers that are there, by explicit path or found on PATH; `absent` names the others. */
export function findPeers(
  given: Readonly<Record<string, string>>,
): { readonly peers: readonly Peer[]; readonly absent: readonly string[] } {
  const peers: Peer[] = [];
  const absent: string[] = [];
  const add = (name: PeerName, program: string | undefined, before: readonly string[]) => {
    if (program === undefined) absent.push(name);
    else peers.push({ name, program, arguments: before });
  };
  add("evtx_dump", given["evtx-dump"] ?? onPath("evtx_dump"), ["-t", "1", "-o", "xml"]);
  add("evtxexport", given["evtxexport"] ?? onPath("evtxexport"), ["-f", "xml"]);
  const python = given["python"] ?? onPath("python3");
  const hasModule = python !== undefined &&
    spawnSync(python, ["-c", "import Evtx.Evtx"]).status === 0;
  add("python-evtx", hasModule ? python : undefined, ["-c", PYTHON]);
  return { peers, absent };
}

function onPath(program: string): string | undefined {
  return (process.env.PATH ?? "").split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

/** Runs `peer` over the file; with `cache`, keeps its output there for the next run. */
export function runPeer(peer: Peer, file: string, cache: string | undefined): PeerOutput {
  const key = createHash("sha256").update(`${peer.arguments.join(" ")}\n${peer.program}\n`)
    .update(readFileSync(file)).digest("hex").slice(0, 24);
  const stored = cache === undefined ? undefined : join(cache, `${peer.name}-${key}.json`);
  if (stored !== undefined && existsSync(stored)) return JSON.parse(readFileSync(stored, "utf8"));
  const run = spawnSync(peer.program, [...peer.arguments, file], {
    maxBuffer: MAX_OUTPUT_BYTES,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  const xml = run.stdout ?? "";
  const complaints = (run.stderr ?? "").split("\n").filter((line) => line.trim() !== "");
  // evtxexport says this among its output and goes on.
  complaints.push(...xml.match(/^Unable to export record: \d+\./gm) ?? []);
  const output: PeerOutput = {
    xml,
    complaints,
    gaveUp: run.status !== 0 || /^Unable to export file/m.test(xml + (run.stderr ?? "")),
  };
  if (stored !== undefined) {
    mkdirSync(cache!, { recursive: true });
    writeFileSync(stored, JSON.stringify(output));
  }
  return output;
}
