/**
 * Which files a scan reads, and in which parts.
 */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, matchesGlob, relative, sep } from "node:path";
import { CHUNK_SIZE, FILE_HEADER_SIZE, isEvtx } from "../../src/decode/evtx/file_header.ts";
import { isGzip, readBlocks, readGzipBlocks, readHead } from "../../src/ingest/blocks.ts";
import type { InputFile, ScanUnit } from "./types.ts";

const EVTX_NAME = /\.evtx(?:\.gz)?$/i;
const JSON_NAME = /\.(?:json|ndjson|jsonl)(?:\.gz)?$/i;
/** Files larger than this are shared among workers. */
const UNIT_BYTES = 32 << 20;
const HEAD_BYTES = 4096;

export interface Inputs {
  readonly files: readonly InputFile[];
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

/**
 * Finds the files below `paths`, in the order they are scanned and numbered: paths as given, each
 * directory sorted bytewise.
 *
 * A file that is named is read whatever its name; below a directory only names of log files are,
 * and files that begin as EVTX does.
 *
 * @param outputs Files that will be written: an earlier run may have left them below `paths`.
 */
export async function findInputs(
  paths: readonly string[],
  exclude: readonly string[],
  outputs: readonly (string | undefined)[] = [],
): Promise<Inputs> {
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
        files.push({ path, kind: "stream", gzip: false, size: 0 });
        return;
      }
      const file = await classify(path, stat.size, named);
      if (file !== undefined) files.push(file);
    } catch (error) {
      fail(path, error);
    }
  };

  for (const path of paths) {
    if (path === "-") {
      files.push({ path, kind: "stream", gzip: false, size: 0 });
      continue;
    }
    const matches = expandGlob(path);
    if (matches.length === 0) fail(path, new Error("no such file or directory"));
    for (const match of matches) {
      if (!isExcluded(match, paths, exclude)) await visit(match, true);
    }
  }
  return { files, problems };
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
  named: boolean,
): Promise<InputFile | undefined> {
  const byName = EVTX_NAME.test(path) || JSON_NAME.test(path);
  // Among the files of a directory only large ones can be logs that were renamed.
  if (!named && !byName && size < FILE_HEADER_SIZE) return undefined;
  let head = await readHead(path, HEAD_BYTES);
  const gzip = isGzip(head);
  if (gzip && (named || byName)) head = await unpackedHead(path);
  if (isEvtx(head) || (EVTX_NAME.test(path) && (named || byName))) {
    return { path, kind: "evtx", gzip, size };
  }
  if (!named && !JSON_NAME.test(path)) return undefined;
  return { path, kind: jsonKind(head), gzip, size };
}

async function unpackedHead(path: string): Promise<Uint8Array> {
  for await (const block of readGzipBlocks(path, () => {})) return block.slice(0, HEAD_BYTES);
  return new Uint8Array();
}

/** Whether the first line is an event of its own. If it is longer than `head`, it must be. */
export function jsonKind(head: Uint8Array): "lines" | "json" {
  const text = new TextDecoder().decode(head).replace(/^\uFEFF/, "").trimStart();
  if (text.startsWith("[")) return "json";
  if (!text.startsWith("{")) return "lines";
  const end = text.indexOf("\n");
  // Pretty-printed JSON has a line end soon; a long first line is one event.
  if (end < 0) return head.length < HEAD_BYTES ? "json" : "lines";
  // What continues on the next line ends in an opening bracket or a comma; anything else is a line
  // of its own, even if it is damaged.
  return /[{[,]$/.test(text.slice(0, end).trimEnd()) ? "json" : "lines";
}

/**
 * Cuts the input into parts, each for one worker. Parts of a file of lines begin after a line end;
 * parts of an EVTX file are whole chunks.
 */
export async function planUnits(files: readonly InputFile[]): Promise<readonly ScanUnit[]> {
  const units: ScanUnit[] = [];
  for (const [fileNumber, file] of files.entries()) {
    const cuts =
      file.gzip || file.size <= UNIT_BYTES || file.kind === "json" || file.kind === "stream"
        ? []
        : file.kind === "evtx"
        ? chunkCuts(file.size)
        : await lineCuts(file);
    const ends = [...cuts, Infinity];
    let from = 0;
    for (const to of ends) {
      units.push({ number: units.length, file, fileNumber, from, to });
      from = to;
    }
  }
  return units;
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
    if (cut > (cuts.at(-1) ?? 0)) cuts.push(cut);
  }
  return cuts;
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
