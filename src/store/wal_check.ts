/**
 * Looks for damage in a write-ahead log that SQLite would pass over in silence.
 *
 * SQLite uses a log up to the first frame whose checksum is wrong and takes the rest for something
 * that was never committed. But a commit behind such a frame that bears the log's salt, or frames that
 * no round of the log has written, are damage. What cannot be told is a log that was cut off.
 *
 * @see https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log"
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;
const FORMAT_VERSION = 3_007_000;
/** A log larger than this is judged by its beginning; ours stay below 20 MiB. */
const MAX_BYTES = 256 * 2 ** 20;

/** What is wrong with the log of a state file; `undefined` if nothing, or if there is none. */
export function walDamage(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(Math.min(fstatSync(file).size, MAX_BYTES));
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, length);
      if (read === 0) break;
      length += read;
    }
    return damageIn(bytes.subarray(0, length));
  } finally {
    closeSync(file);
  }
}

/** The same for the log's content. */
export function damageIn(bytes: Uint8Array): string | undefined {
  // A log that holds no whole frame holds no commit.
  if (bytes.length <= HEADER_BYTES + FRAME_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const pageSize = view.getUint32(8);
  const littleEndian = (magic & 1) === 0;
  const sum: Sum = [0, 0];
  addSum(sum, view, 0, 24, littleEndian);
  const isHeader = (magic & ~1) === MAGIC && view.getUint32(4) === FORMAT_VERSION &&
    pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0 &&
    sum[0] === view.getUint32(24) && sum[1] === view.getUint32(28);
  if (!isHeader) return "the header of the write-ahead log is damaged";
  const frameBytes = FRAME_HEADER_BYTES + pageSize;
  let isBroken = false;
  let lost = 0;
  /** Whether a frame of this round follows on the broken one. */
  let goesOn = false;
  let tornCommits = 0;
  for (let at = HEADER_BYTES; at + frameBytes <= bytes.length; at += frameBytes) {
    const isOurs = view.getUint32(at + 8) === view.getUint32(16) &&
      view.getUint32(at + 12) === view.getUint32(20);
    if (!isBroken) {
      addSum(sum, view, at, 8, littleEndian);
      addSum(sum, view, at + FRAME_HEADER_BYTES, pageSize, littleEndian);
      isBroken = !isOurs || sum[0] !== view.getUint32(at + 16) ||
        sum[1] !== view.getUint32(at + 20);
      if (!isBroken) continue;
      // A frame is written in two parts. A process killed in between leaves the first one, with the
      // mark of a commit that never was; nothing of this round stands behind it then.
      if (isOurs) {
        tornCommits = view.getUint32(at + 4) === 0 ? 0 : 1;
        continue;
      }
    }
    if (isOurs) goesOn = true;
    if (isOurs ? view.getUint32(at + 4) !== 0 : !isOlder(view, at)) lost++;
  }
  if (goesOn) lost += tornCommits;
  return lost === 0
    ? undefined
    : `the write-ahead log is damaged: up to ${lost} transaction${lost === 1 ? "" : "s"} lost`;
}

/** How often the log can have been begun anew while a frame of an earlier round is still in it. */
const MAX_ROUNDS = 1 << 20;

/** Whether a frame is left from an earlier round: each begins with a salt that is one higher. */
function isOlder(view: DataView, at: number): boolean {
  const rounds = (view.getUint32(16) - view.getUint32(at + 8)) >>> 0;
  return rounds > 0 && rounds <= MAX_ROUNDS;
}

type Sum = [number, number];

/** The checksum of the format: two running sums over pairs of 32-bit words. */
function addSum(sum: Sum, view: DataView, from: number, length: number, little: boolean): void {
  let [first, second] = sum;
  for (let at = from; at < from + length; at += 8) {
    first = (first + view.getUint32(at, little) + second) >>> 0;
    second = (second + view.getUint32(at + 4, little) + first) >>> 0;
  }
  sum[0] = first;
  sum[1] = second;
}
