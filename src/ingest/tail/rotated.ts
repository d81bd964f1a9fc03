/**
 * The names that log files get when they are rotated.
 *
 * `x.log` becomes `x.log.1`, `x.log.1.gz`, `x.log-20240131`, `x.log.2024-01-31_23-59`, `x.1.log`,
 * `x-2024-01-31.log`, `x.log.old`: what logrotate, newsyslog, log4j, Python and IIS tools make.
 */

/** How the content of a file is packed. */
export type Packing = "gzip" | "zstd";

const COUNTER = /^(.+)\.\d{1,6}$/;
const COUNTER_INSIDE = /^(.+?)[._-]\d{1,6}(\.[A-Za-z][A-Za-z0-9]{0,9})$/;
/** A year and at least a month, then anything that times are written with. */
const DATE = /^(.+?)[._-](?:19|20)\d\d[-_.]?[01]\d[-_.:TZ\d+]{0,30}$/;
const DATE_INSIDE =
  /^(.+?)[._-](?:19|20)\d\d[-_.]?[01]\d[-_:TZ\d+]{0,30}(\.[A-Za-z][A-Za-z0-9]{0,9})$/;
const OLD = /^(.+)\.(?:old|prev)$/i;
/** Longer names are no log's; the patterns above take time with the square of the length. */
const MAX_NAME = 255;

/** By the end of the name. */
export function packingOf(name: string): Packing | undefined {
  if (/\.gz$/i.test(name)) return "gzip";
  return /\.zst$/i.test(name) ? "zstd" : undefined;
}

/**
 * The names that a file may have had before it was rotated, the shortest first; none if its name
 * is not one that rotation makes.
 */
export function namesBefore(name: string): readonly string[] {
  if (name.length > MAX_NAME) return [];
  const found = new Set<string>();
  const packed = packingOf(name) !== undefined;
  const plain = packed ? name.replace(/\.(?:gz|zst)$/i, "") : name;
  if (packed && plain !== "") found.add(plain);
  let names = [plain];
  // `x.log-20240131.2` was `x.log-20240131`, which was `x.log`.
  for (let step = 0; step < 3; step++) {
    const shorter = names.flatMap(strip).filter((one) => !found.has(one));
    for (const one of shorter) found.add(one);
    names = shorter;
  }
  return [...found].sort((a, b) => a.length - b.length);
}

function strip(name: string): string[] {
  const names: string[] = [];
  for (const pattern of [COUNTER, DATE, OLD, COUNTER_INSIDE, DATE_INSIDE]) {
    const match = pattern.exec(name);
    if (match !== null) names.push(match[1]! + (match[2] ?? ""));
  }
  return names;
}

/**
 * Orders files of one log by their names, the older first: counters count upwards with age, dates
 * downwards. 0 if the names do not tell.
 */
export function compareRotatedNames(a: string, b: string): number {
  const left = rotationMark(a), right = rotationMark(b);
  if (left === undefined || right === undefined || left.isDate !== right.isDate) return 0;
  if (!left.isDate) return Number(right.digits) - Number(left.digits);
  return left.digits < right.digits ? -1 : left.digits > right.digits ? 1 : 0;
}

function rotationMark(name: string): { digits: string; isDate: boolean } | undefined {
  const plain = name.replace(/\.(?:gz|zst)$/i, "");
  const mark = /[._-](\d[-_.:TZ+\d]*)(?:\.[A-Za-z]\w*)?$/.exec(plain)?.[1];
  if (mark === undefined) return undefined;
  const digits = mark.replace(/\D/g, "");
  return { digits, isDate: digits.length >= 6 };
}
