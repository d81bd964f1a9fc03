/**
 * Which files a scan reads, and in which parts.
 */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, matchesGlob, relative, sep } from "node:path";
import { isAudit } from "../../src/decode/auditd/event.ts";
import { unitOf } from "../../src/decode/encoding.ts";
import { CHUNK_SIZE, FILE_HEADER_SIZE, isEvtx } from "../../src/decode/evtx/file_header.ts";
import type { LineFormat } from "../../src/decode/parse_line.ts";
import { packingIn, readBlocks, readHead, readPackedBlocks } from "../../src/ingest/blocks.ts";
import { namesBefore, type Packing } from "../../src/ingest/tail/rotated.ts";
import { HEAD_BYTES, textForm } from "../text_form.ts";
import type { InputFile, ScanUnit } from "./types.ts";

/** These and the other names are also found with the endings that rotation adds, packed or not. */
export const EVTX_NAME = /\.evtx$/i;
export const JSON_NAME = /\.(?:json|ndjson|jsonl)$/i;
const TEXT_NAME = /(?:\.(?:log|cef|leef|logfmt)|^(?:syslog|messages|secure|cron|maillog))$/i;
/** Files larger than this are shared among workers. */
const UNIT_BYTES = 32 << 20;
/** Longer than the `node=… type=… msg=audit(…)` of a record. */
const AUDIT_HEADER_BYTES = 512;

export interface Inputs {
  readonly files: readonly InputFile[];
  readonly problems: readonly { readonly path: string; readonly message: string }[];
  /** Files below directories that are not read. */
  readonly skipped: SkippedFiles;
}

/** How many files are not read, by why. */
export interface SkippedFiles {
  /** Its name is not one of a log. */
  readonly name: number;
  /** It is named like a log, but holds no text. */
  readonly binary: number;
}

export interface FindOptions {
  /** Globs of files that are left out. */
  readonly exclude?: readonly string[];
  /** Files that will be written: an earlier run may have left them below the paths. */
  readonly outputs?: readonly (string | undefined)[];
  /** Of text; default `auto`. */
  readonly format?: LineFormat;
}

/**
 * Finds the files below `paths`, in the order they are scanned and numbered: paths as given, each
 * directory sorted bytewise.
 *
 * A file that is named is read whatever its name; below a directory only names of log files are:
 * `*.evtx`, `*.json`, `*.ndjson`, `*.jsonl`, `*.log`, `*.cef`, `*.leef`, `*.logfmt`, `syslog`,
 * `messages`, `secure`, `cron`, `maillog`, all of them also as rotation leaves them (`syslog.1`,
 * `auth.log-20261123`) and packed (`.gz`, `.zst`); and files that begin as EVTX does. What holds no
 * text is not read as text.
 */
export async function findInputs(
  paths: readonly string[],
  { exclude = [], outputs = [], format = "auto" }: FindOptions = {},
): Promise<Inputs> {
  const skipped = { name: 0, binary: 0 };
  const files: InputFile[] = [];
  const problems: { path: string; message: string }[] = [];
  const seen = new Set<string>(outputs.map(realPath).filter((path) => path !== undefined));
  const fail = (path: string, error: unknown): void => {
    problems.push({ path, message: error instanceof Error ? error.message : String(error) });
  };

  const visit = async (path: string, named: boolean): Promise<void> => {
    try {
      const stat = statSync(path);
      const real = realpathSync(path);
      if (seen.has(real)) return; // Named twice, or a loop of links.
      if (!stat.isDirectory() && !stat.isFile() && !named) return;
      seen.add(real);
      if (stat.isDirectory()) {
        for (const name of readdirSync(path).sort()) {
          const child = join(path, name);
          if (!isExcluded(child, paths, exclude)) await visit(child, false);
        }
        return;
      }
      if (!stat.isFile()) {
        // A pipe can be read once, so nothing may look at its beginning.
        files.push({ path, kind: "stream", size: 0 });
        return;
      }
      const file = await classify(path, stat.size, stat.mtimeMs, named, format);
      if (typeof file !== "string") files.push(file);
      else if (!named) skipped[file]++;
      else fail(path, new Error("binary: neither EVTX nor text"));
    } catch (error) {
      fail(path, error);
    }
  };

  for (const path of paths) {
    if (path === "-") {
      files.push({ path, kind: "stream", size: 0 });
      continue;
    }
    const matches = expandGlob(path);
    if (matches.length === 0) fail(path, new Error("no such file or directory"));
    for (const match of matches) {
      if (!isExcluded(match, paths, exclude)) await visit(match, true);
    }
  }
  return { files, problems, skipped };
}

function realPath(path: string | undefined): string | undefined {
  try {
    // Devices such as /dev/stdout can be input and output at once.
    if (path === undefined || !statSync(path).isFile()) return undefined;
    return realpathSync(path);
  } catch {
    return undefined; // It does not exist yet.
  }
}

function isExcluded(path: string, roots: readonly string[], exclude: readonly string[]): boolean {
  const names = [path, basename(path), ...roots.map((root) => relative(root, path))];
  return exclude.some((pattern) =>
    names.some((name) => matchesGlob(name.split(sep).join("/"), pattern))
  );
}

/** The files a pattern names; a path that exists is itself, whatever characters it has. */
function expandGlob(pattern: string): readonly string[] {
  try {
    statSync(pattern);
    return [pattern];
  } catch {
    if (!/[*?[{]/.test(pattern)) return [];
  }
  const normal = pattern.split(sep).join("/");
  const fixed = /^[^*?[{]*\//.exec(normal)?.[0] ?? "";
  const matches: string[] = [];
  const walk = (directory: string, depth: number): void => {
    if (depth > 64) return;
    let entries;
    try {
      entries = readdirSync(directory === "" ? "." : directory, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      const path = `${directory}${entry.name}`;
      if (matchesGlob(path, normal)) matches.push(path);
      else if (entry.isDirectory()) walk(`${path}/`, depth + 1);
    }
  };
  walk(fixed, 0);
  return matches.sort();
}

async function classify(
  path: string,
  size: number,
  modifiedMs: number,
  named: boolean,
  format: LineFormat,
): Promise<InputFile | keyof SkippedFiles> {
  const isNamedEvtx = hasName(path, EVTX_NAME);
  const isNamedJson = hasName(path, JSON_NAME);
  const byName = isNamedEvtx || isNamedJson || hasName(path, TEXT_NAME);
  // Among the files of a directory only large ones can be logs that were renamed.
  if (!named && !byName && size < FILE_HEADER_SIZE) return "name";
  const start = await readHead(path, HEAD_BYTES);
  const packing = packingIn(start);
  const isUnpacked = packing !== undefined && (named || byName);
  const head = isUnpacked ? await unpackedHead(path, packing) : start;
  const file = { path, size, modifiedMs, ...(packing === undefined ? {} : { packing }) };
  if (isEvtx(head) || isNamedEvtx) return { ...file, kind: "evtx" };
  if (!named && !byName) return "name";
  const hole = packing === undefined ? await holeAt(path, head) : 0;
  const textHead = hole === 0 ? head : await readHead(path, HEAD_BYTES, hole);
  const form = textForm(textHead, format, isNamedJson);
  if (form === undefined) return "binary";
  return { ...file, kind: "text", form, ...(hole === 0 ? {} : { hole }) };
}

/** Longer holes are not searched for text behind them. */
const MAX_HOLE = 64 << 20;

/**
 * How many NULs a file begins with, as one that was truncated under its writer; 0 for fewer than fill
 * `head`. Even, so that UTF-16 stays aligned.
 */
async function holeAt(path: string, head: Uint8Array): Promise<number> {
  if (head.length < HEAD_BYTES || head.some((byte) => byte !== 0)) return 0;
  let hole = 0;
  for await (const block of readBlocks(path, 0, MAX_HOLE)) {
    const text = block.findIndex((byte) => byte !== 0);
    if (text >= 0) return (hole + text) & ~1;
    hole += block.length;
  }
  return 0;
}

async function unpackedHead(path: string, packing: Packing): Promise<Uint8Array> {
  for await (const block of readPackedBlocks(path, packing, () => {})) {
    return block.slice(0, HEAD_BYTES);
  }
  return new Uint8Array();
}

/** Whether the file has such a name, or had it before it was rotated. */
export function hasName(path: string, name: RegExp): boolean {
  const own = basename(path);
  return name.test(own) || namesBefore(own).some((before) => name.test(before));
}

/**
 * Cuts the input into parts, each for one worker. Parts of a file of lines begin after a line end;
 * parts of an EVTX file are whole chunks.
 */
export async function planUnits(files: readonly InputFile[]): Promise<readonly ScanUnit[]> {
  const units: ScanUnit[] = [];
  for (const [fileNumber, file] of files.entries()) {
    const cuts = file.packing !== undefined || file.size <= UNIT_BYTES
      ? []
      : file.kind === "evtx"
      ? chunkCuts(file.size)
      : isCuttable(file)
      ? await lineCuts(file)
      : [];
    const ends = [...cuts, Infinity];
    let from = file.hole ?? 0;
    for (const to of ends.filter((end) => end > from)) {
      units.push({ number: units.length, file, fileNumber, from, to });
      from = to;
    }
  }
  return units;
}

/** Whether a line is a record, wherever in the file it stands. */
function isCuttable({ form }: InputFile): boolean {
  return form?.kind === "lines" && !form.isAudit && unitOf(form.encoding) === 1;
}

function chunkCuts(size: number): number[] {
  const cuts: number[] = [];
  const step = Math.floor(UNIT_BYTES / CHUNK_SIZE) * CHUNK_SIZE;
  for (let cut = FILE_HEADER_SIZE + step; cut < size; cut += step) cuts.push(cut);
  return cuts;
}

async function lineCuts(file: InputFile): Promise<number[]> {
  const cuts: number[] = [];
  for (let wanted = UNIT_BYTES; wanted < file.size; wanted += UNIT_BYTES) {
    const cut = await nextLine(file.path, Math.max(wanted, cuts.at(-1) ?? 0));
    if (cut >= file.size) break;
    if (cut > (cuts.at(-1) ?? 0) && !await isInAuditRecords(file.path, cut)) cuts.push(cut);
  }
  return cuts;
}

/** Whether an audit record begins at `offset`: it may belong to an event that began before. */
async function isInAuditRecords(path: string, offset: number): Promise<boolean> {
  for await (const block of readBlocks(path, offset, offset + AUDIT_HEADER_BYTES)) {
    return isAudit(new TextDecoder().decode(block));
  }
  return false;
}

/** The offset behind the first line end at or behind `from`. */
async function nextLine(path: string, from: number): Promise<number> {
  let offset = from;
  for await (const block of readBlocks(path, from)) {
    const end = block.indexOf(10);
    if (end >= 0) return offset + end + 1;
    offset += block.length;
  }
  return offset;
}
