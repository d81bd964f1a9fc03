/**
 * Finds the files that a source's paths and globs mean, and what they were rotated to.
 *
 * Directories are listed again when their modification time has changed, and every few seconds in
 * case that time cannot be trusted. Everything is synchronous: a call of `stat` takes 2 µs here, one
 * through the thread pool 60 µs, and the loop asks four times a second for each file.
 */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, join, resolve, sep } from "node:path";
import { isPermission, messageOf } from "./failures.ts";
import { compileGlob, matchesName, matchesPath, type PathPattern, type Segment } from "./glob.ts";
import { compareRotatedNames, namesBefore, type Packing, packingOf } from "./rotated.ts";

/** A directory that has just changed may change again without getting another time. */
const CLOCK_TICK_MS = 150;
/** Directories that one source looks into; more is a glob over a whole disk. */
const MAX_DIRECTORIES = 4096;
const MAX_DEPTH = 32;

/** What `stat` says of a file. */
export interface Facts {
  /** The device, and the inode or file id on it. */
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: number;
  /** Unix milliseconds, with a fraction. */
  readonly mtimeMs: number;
}

/** A file that belongs to a source. */
export interface Candidate extends Facts {
  readonly path: string;
  /** The path at which its records originate: what it was called before it was rotated. */
  readonly origin: string;
  /** The paths or globs mean it by its present name; else it is a rotated sibling. */
  readonly active: boolean;
  /** It is named by a path without wildcards. */
  readonly literal: boolean;
  readonly packing: Packing | undefined;
}

/** Plain names before others, names that are meant before siblings. */
export function compareImportance(a: Candidate, b: Candidate): number {
  return Number(b.literal) - Number(a.literal) || Number(b.active) - Number(a.active) ||
    (a.path < b.path ? -1 : 1);
}

/** The older first. */
export function compareAge(a: Candidate, b: Candidate): number {
  if (a.origin !== b.origin) return a.origin < b.origin ? -1 : 1;
  // What stands at the origin itself was begun last.
  const byPlace = Number(a.path === a.origin) - Number(b.path === b.origin);
  return byPlace || compareRotatedNames(basename(a.path), basename(b.path)) ||
    a.mtimeMs - b.mtimeMs || (a.path < b.path ? -1 : 1);
}

export interface DiscoverySettings {
  readonly paths: readonly string[];
  readonly exclude?: readonly string[];
  readonly root?: string;
  readonly readRotated?: boolean;
}

/** What is looked for in one directory. */
interface Place {
  readonly names: Set<string>;
  readonly patterns: Segment[];
}

interface Listing {
  readonly mtimeMs: number | undefined;
  readonly listedMs: number;
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

/** Names a file as long as it exists. */
export function fileId({ dev, ino }: Pick<Facts, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

/** `undefined` if there is no such file. @throws what `stat` throws otherwise */
export function factsOf(path: string): (Facts & { readonly isFile: boolean }) | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return { ...toFacts(stat), isFile: stat.isFile() };
}

export function toFacts(
  stat: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint },
): Facts {
  return {
    dev: stat.dev,
    ino: stat.ino,
    size: Number(stat.size),
    mtimeMs: Number(stat.mtimeNs) / 1e6,
  };
}

/** Whether `path`, links followed, lies inside the directory `root`. */
export function isInside(root: string, path: string): boolean {
  const top = realpathSync(root);
  const real = realpathSync(path);
  return real === top || real.startsWith(top.endsWith(sep) ? top : top + sep);
}

export class Discovery {
  readonly #patterns: readonly PathPattern[];
  readonly #exclude: readonly PathPattern[];
  readonly #excludeNames: readonly Segment[];
  readonly #root: string | undefined;
  readonly #readRotated: boolean;
  #listings = new Map<string, Listing>();
  /** By path: what could not be looked at in the last scan, in words. */
  readonly problems = new Map<string, string>();

  /** @throws {RangeError} for a pattern that cannot be used. */
  constructor(settings: DiscoverySettings) {
    this.#patterns = settings.paths.flatMap(compileGlob);
    const exclude = settings.exclude ?? [];
    const hasDirectory = (pattern: string) => /[/\\]/.test(pattern);
    this.#exclude = exclude.filter(hasDirectory).flatMap(compileGlob);
    this.#excludeNames = exclude.filter((one) => !hasDirectory(one)).flatMap(compileGlob)
      .flatMap(({ segments }) => segments);
    this.#root = settings.root === undefined ? undefined : resolve(settings.root);
    this.#readRotated = settings.readRotated ?? true;
  }

  /** The directories that were looked into, those that do not exist left out. */
  get directories(): readonly string[] {
    return [...this.#listings].filter(([, { mtimeMs }]) => mtimeMs !== undefined)
      .map(([path]) => path);
  }

  /** Whether a directory has changed since the last scan. */
  hasChanged(nowMs: number): boolean {
    for (const [path, { mtimeMs, listedMs }] of this.#listings) {
      if (mtimeMs !== undefined && listedMs - mtimeMs < CLOCK_TICK_MS) {
        if (nowMs - listedMs > CLOCK_TICK_MS / 3) return true;
      } else if (this.#mtimeMs(path) !== mtimeMs) return true;
    }
    return false;
  }

  /** Whether all directories are as the last scan found them, as far as their times tell. */
  isCurrent(): boolean {
    for (const [path, { mtimeMs }] of this.#listings) {
      if (this.#mtimeMs(path) !== mtimeMs) return false;
    }
    return true;
  }

  /**
   * Looks at all files.
   *
   * @param isOrigin Whether records of this path have been read before.
   */
  scan(nowMs: number, isOrigin: (path: string) => boolean): Candidate[] {
    const before = this.#listings;
    this.#listings = new Map();
    this.problems.clear();
    const places = new Map<string, Place>();
    for (const pattern of this.#patterns) this.#walk(pattern, places, before, nowMs);
    const found: Candidate[] = [];
    for (const [directory, place] of places) {
      const { files } = this.#list(directory, before, nowMs);
      const isThere = new Set(files);
      for (const name of files) {
        const meaning = this.#meaning(directory, name, place, isThere, isOrigin);
        const one = meaning === undefined ? undefined : this.#candidate(meaning);
        if (one !== undefined) found.push(one);
      }
    }
    return found;
  }

  #meaning(
    directory: string,
    name: string,
    place: Place,
    isThere: ReadonlySet<string>,
    isOrigin: (path: string) => boolean,
  ): Omit<Candidate, keyof Facts> | undefined {
    const path = join(directory, name);
    const active = this.#means(place, directory, name);
    const older = active || this.#readRotated
      ? namesBefore(name).filter((one) => this.#means(place, directory, one))
      : [];
    const base = older.find((one) => isThere.has(one) || isOrigin(join(directory, one)));
    const packing = packingOf(name);
    const literal = place.names.has(name);
    if (active) {
      const origin = base === undefined ? path : join(directory, base);
      return { path, origin, active, literal, packing };
    }
    if (older.length === 0) return undefined;
    return { path, origin: join(directory, base ?? older[0]!), active, literal, packing };
  }

  #means(place: Place, directory: string, name: string): boolean {
    const isMeant = place.names.has(name) ||
      place.patterns.some((pattern) => matchesName(pattern, name));
    if (!isMeant) return false;
    const path = join(directory, name);
    return !this.#exclude.some((pattern) => matchesPath(pattern, path)) &&
      !this.#excludeNames.some((pattern) => matchesName(pattern, basename(path)));
  }

  #candidate(meaning: Omit<Candidate, keyof Facts>): Candidate | undefined {
    const { path } = meaning;
    try {
      const facts = factsOf(path);
      if (facts === undefined || !facts.isFile) return undefined;
      if (this.#root !== undefined && !isInside(this.#root, path)) {
        this.problems.set(path, `${path} leads out of ${this.#root} and is not read`);
        return undefined;
      }
      return { ...meaning, ...facts };
    } catch (error) {
      this.problems.set(path, messageOf(error));
      return undefined;
    }
  }

  /** Notes the directories in which the last step of a pattern is to be looked for. */
  #walk(
    { root, segments }: PathPattern,
    places: Map<string, Place>,
    before: ReadonlyMap<string, Listing>,
    nowMs: number,
  ): void {
    const last = segments.at(-1);
    if (last === undefined) return;
    const ends: Segment = last.kind === "directories"
      ? { kind: "pattern", tokens: [{ kind: "any" }], dots: false }
      : last;
    let frontier = [root];
    for (const segment of last.kind === "directories" ? segments : segments.slice(0, -1)) {
      frontier = segment.kind === "name"
        ? frontier.map((directory) => join(directory, segment.name))
        : segment.kind === "directories"
        ? this.#below(frontier, before, nowMs)
        : frontier.flatMap((directory) =>
          this.#list(directory, before, nowMs).directories
            .filter((name) => matchesName(segment, name)).map((name) => join(directory, name))
        );
    }
    for (const directory of frontier) {
      this.#list(directory, before, nowMs);
      let place = places.get(directory);
      if (place === undefined) places.set(directory, place = { names: new Set(), patterns: [] });
      if (ends.kind === "name") place.names.add(ends.name);
      // Names are compared by a set; where case does not count, by the pattern as well.
      if (ends.kind !== "name" || ends.name !== ends.name.toUpperCase()) place.patterns.push(ends);
    }
  }

  /** The directories and all below them; links are followed, but no directory is entered twice. */
  #below(tops: readonly string[], before: ReadonlyMap<string, Listing>, nowMs: number): string[] {
    const found: string[] = [];
    const seen = new Set<string>();
    let level = [...tops];
    for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
      const next: string[] = [];
      for (const directory of level) {
        const facts = quietly(() => factsOf(directory));
        const id = facts === undefined ? directory : fileId(facts);
        if (seen.has(id)) continue;
        seen.add(id);
        if (found.length >= MAX_DIRECTORIES) {
          this.problems.set(tops[0]!, `${tops[0]} has too many directories; some are not read`);
          return found;
        }
        found.push(directory);
        const { directories } = this.#list(directory, before, nowMs);
        next.push(...directories.map((name) => join(directory, name)));
      }
      level = next;
    }
    return found;
  }

  #list(directory: string, before: ReadonlyMap<string, Listing>, nowMs: number): Listing {
    const done = this.#listings.get(directory);
    if (done !== undefined) return done;
    const mtimeMs = this.#mtimeMs(directory);
    const old = before.get(directory);
    const isFresh = old !== undefined && old.mtimeMs === mtimeMs && mtimeMs !== undefined &&
      old.listedMs - mtimeMs >= CLOCK_TICK_MS;
    const listing = isFresh ? old : this.#read(directory, mtimeMs, nowMs);
    this.#listings.set(directory, listing);
    return listing;
  }

  #read(directory: string, mtimeMs: number | undefined, nowMs: number): Listing {
    const files: string[] = [], directories: string[] = [];
    try {
      const entries = mtimeMs === undefined ? [] : readdirSync(directory, { withFileTypes: true });
      for (const entry of entries) {
        const isDirectory = entry.isDirectory() || (entry.isSymbolicLink() &&
          quietly(() => statSync(join(directory, entry.name)).isDirectory()) === true);
        (isDirectory ? directories : files).push(entry.name);
      }
    } catch (error) {
      this.problems.set(directory, messageOf(error));
    }
    return { mtimeMs, listedMs: nowMs, files: files.sort(), directories: directories.sort() };
  }

  /** `undefined` if there is no such directory; that is no error, it may come. */
  #mtimeMs(directory: string): number | undefined {
    try {
      const stat = statSync(directory, { bigint: true, throwIfNoEntry: false });
      return stat?.isDirectory() ? Number(stat.mtimeNs) / 1e6 : undefined;
    } catch (error) {
      if (isPermission(error)) this.problems.set(directory, messageOf(error));
      return undefined;
    }
  }
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
