/**
 * Which log files the settings of a source name.
 */
import { globSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { SourceError } from "../../runtime/errors.ts";
import { archivedLog } from "./archives.ts";

/** A log to be followed. */
export interface LogPlace {
  /** The entry of the settings that named it. */
  readonly entry: string;
  /** The channel's name, or the path. */
  readonly origin: string;
  readonly path: string;
}

const EVTX_NAME = /\.evtx$/i;
const GLOB = /[*?[{]/;
const PATH_START = /^(?:[/\\.~]|[A-Za-z]:)/;

/** Whether an entry is the name of a Windows channel and not a path. */
export function isChannelName(entry: string): boolean {
  return !EVTX_NAME.test(entry) && !GLOB.test(entry) && !PATH_START.test(entry);
}

/**
 * Where Windows keeps a channel unless it was told otherwise: the name with `%4` for `/`.
 *
 * @param root `%SystemRoot%`.
 */
export function channelPath(channel: string, root: string): string {
  return `${root}\\System32\\winevt\\Logs\\${channel.replaceAll("/", "%4")}.evtx`;
}

/**
 * The logs that `entries` name and that a glob finds now; those that are named need not exist yet.
 *
 * @throws {SourceError} `SOURCE_CONFIG` for a channel on a system that has none.
 */
export function findLogs(
  entries: readonly string[],
  platform: string = process.platform,
  root: string = process.env.SystemRoot ?? "C:\\Windows",
): readonly LogPlace[] {
  const places = new Map<string, LogPlace>();
  for (const entry of entries) {
    for (const place of placesOf(entry, platform, root)) {
      if (!places.has(place.path)) places.set(place.path, place);
    }
  }
  // An archive of a log that is followed is read as part of it.
  const followed = new Set([...places.keys()].map((path) => path.toLowerCase()));
  return [...places.values()].filter(({ path }) => {
    const log = archivedLog(path);
    return log === undefined || !followed.has(join(dirname(path), `${log}.evtx`).toLowerCase());
  });
}

function placesOf(entry: string, platform: string, root: string): readonly LogPlace[] {
  if (!isChannelName(entry)) {
    if (!GLOB.test(basename(entry)) && !GLOB.test(dirname(entry))) {
      const path = resolve(entry);
      return [{ entry, origin: path, path }];
    }
    return globSync(entry).map((found) => resolve(found)).filter((path) => EVTX_NAME.test(path))
      .sort().map((path) => ({ entry, origin: path, path }));
  }
  if (platform !== "win32") {
    throw new SourceError(
      "SOURCE_CONFIG",
      `Cannot follow the channel ${entry}: only Windows has channels. To follow a file, give its ` +
        `path, such as /var/log/forwarded/${entry.replaceAll("/", "%4")}.evtx`,
    );
  }
  return [{ entry, origin: entry, path: channelPath(entry, root) }];
}
