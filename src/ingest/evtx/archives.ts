/**
 * Archives of a log: what the service makes of a full one, beside it, before it begins anew.
 */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { EvtxDecoder } from "../../decode/evtx/decoder.ts";
import { LogFile, type RecordName } from "./log_file.ts";

/** How many of the latest are searched for a record. */
const MAX_SEARCHED = 64;

const EXTENSION = /\.evtx$/i;
const ARCHIVE = /^Archive-(.+)-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}\.evtx$/i;

/** The name of the log that a file is an archive of: `Security`; `undefined` if it is none. */
export function archivedLog(path: string): string | undefined {
  return ARCHIVE.exec(basename(path))?.[1];
}

/**
 * The archive that holds `record`, and the later ones, in the order of their times.
 *
 * @param path The log itself.
 * @returns Nothing if no archive holds it.
 */
export function archivesFrom(
  path: string,
  record: RecordName,
  decoder: EvtxDecoder,
): readonly string[] {
  const archives = archivesOf(path);
  const oldest = Math.max(0, archives.length - MAX_SEARCHED);
  for (let at = archives.length - 1; at >= oldest; at--) {
    if (holds(archives[at]!, record, decoder)) return archives.slice(at);
  }
  return [];
}

/** The archives that were made after `archive`, in the order of their times. */
export function archivesAfter(path: string, archive: string): readonly string[] {
  return archivesOf(path).filter((one) => one > archive);
}

function archivesOf(path: string): readonly string[] {
  const directory = dirname(path);
  const log = basename(path).replace(EXTENSION, "").toLowerCase();
  try {
    // Times are written so that they sort as texts.
    return readdirSync(directory).filter((name) => archivedLog(name)?.toLowerCase() === log).sort()
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function holds(path: string, { id, ticks }: RecordName, decoder: EvtxDecoder): boolean {
  try {
    using file = LogFile.open(path);
    const head = file.survey().heads.findLast((one) => one.id <= id);
    return head !== undefined && file.readChunk(head.index, id, decoder).afterTicks === ticks;
  } catch {
    return false; // It was just removed, or is not ours to read.
  }
}
