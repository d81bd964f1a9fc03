/**
 * Text log files as a source: follows paths and globs through everything that rotation does.
 *
 * Exported for the agent: `fileSource(settings, options)`.
 *
 * What holds, and where it ends:
 * - A position is taken behind whole records, so reading on from it loses nothing and repeats
 *   nothing, whether the files were appended to, renamed, copied and truncated, deleted and made
 *   anew or compressed in between. The first batch of a new source carries the starting point alone,
 *   before any record.
 * - A record has the same id whenever and under whatever name its line is read; see `Lineage`.
 * - With copytruncate, what is written between the copy and the truncation is in no file any more.
 *   Bytes that were seen and not yet read are counted as `lost_bytes`.
 * - A file that is truncated and filled again with the same bytes, at least as many as before, within
 *   one interval is taken for unchanged. So is one of more than 1 KiB that is replaced by a file with
 *   the same bytes and more: that is how rsync copies a log.
 * - A line that has been without its end for two seconds is given out. When the rest comes, the whole
 *   line is given out again with the same id.
 * - With `root`, links that lead out are not followed; a hard link inside it cannot be told.
 */
import { PicketError } from "../../event/errors.ts";
import { SourceError } from "../../runtime/errors.ts";
import type { EventBatch, EventSource, SourceHealth } from "../../runtime/plugin.ts";
import type { FileSourceSettings } from "../../runtime/settings.ts";
import { parsePosition } from "./checkpoint.ts";
import { Discovery } from "./discover.ts";
import { type FileSourceOptions, Following } from "./following.ts";
import { makeJoiner } from "./multiline.ts";
import type { RotationCounts } from "./record.ts";

/**
 * A source that follows files.
 *
 * @throws {SourceError} `SOURCE_CONFIG` for a path or pattern that cannot be used.
 */
export function fileSource(
  settings: FileSourceSettings,
  options: FileSourceOptions = {},
): EventSource {
  return new FileSource(settings, options);
}

class FileSource implements EventSource {
  readonly id: string;
  readonly kind = "file";
  readonly #settings: FileSourceSettings;
  readonly #options: FileSourceOptions;
  readonly #counts = { events: 0, longLines: 0, replacements: 0, joinLimits: 0 };
  #badPositions = 0;
  #following: Following | undefined;
  #state: "starting" | "running" | "stopped" = "starting";
  /** Of earlier calls of `read`. */
  #rotations: RotationCounts = noRotations();

  constructor(settings: FileSourceSettings, options: FileSourceOptions) {
    this.id = settings.id;
    this.#settings = settings;
    this.#options = options;
    try {
      new Discovery(settings);
      const { multiline } = settings;
      if (multiline !== undefined) makeJoiner(multiline, () => {}, { joinLimits: 0 });
    } catch (cause) {
      if (!(cause instanceof RangeError) && !(cause instanceof PicketError)) throw cause;
      const message = `Cannot use source ${settings.id}: ${cause.message}`;
      throw new SourceError("SOURCE_CONFIG", message, { cause });
    }
  }

  health(): SourceHealth {
    const following = this.#following;
    const files = following?.generations ?? [];
    const failures = following?.failures ?? [];
    const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : "";
    const rotations = addCounts(this.#rotations, following?.rotationCounts ?? noRotations());
    return {
      state: this.#stateOf(),
      ...(failures.length === 0 ? {} : { error: failures[0] + more }),
      lag: { bytes: files.reduce((sum, one) => sum + one.lag, 0) },
      counts: {
        files: files.length,
        open: files.filter(({ content }) => content !== undefined).length,
        failing: failures.length,
        lines: this.#counts.events,
        rotations: rotations.rotations,
        truncations: rotations.truncations,
        replacements: rotations.replacements,
        lost_bytes: rotations.lostBytes,
        long_lines: this.#counts.longLines,
        decode_replacements: this.#counts.replacements,
        multiline_limits: this.#counts.joinLimits,
        bad_positions: this.#badPositions,
      },
    };
  }

  async *read(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    const position = from === undefined ? undefined : parsePosition(from);
    if (from !== undefined && position === undefined) {
      // Better to begin as at first sight than to stand still; the report says so.
      this.#badPositions++;
      const message = `the position of source ${this.id} cannot be read; starting anew`;
      this.#options.onProblem?.({ path: "", code: "POSITION", message });
    }
    const following = new Following(this.#settings, this.#options, position, this.#counts);
    this.#following = following;
    this.#state = "running";
    try {
      yield* following.batches(signal);
    } finally {
      following.close();
      this.#rotations = addCounts(this.#rotations, following.rotationCounts);
      this.#following = undefined;
      this.#state = "stopped";
    }
  }

  /** `failed` if no file can be read, `waiting` if one cannot or there is none. */
  #stateOf(): SourceHealth["state"] {
    const following = this.#following;
    if (following === undefined || this.#state !== "running") return this.#state;
    const { generations: files, failures } = following;
    if (failures.length === 0) return files.length === 0 ? "waiting" : "running";
    return files.every(({ path }) => following.isFailing(path)) ? "failed" : "waiting";
  }
}

function noRotations(): RotationCounts {
  return { rotations: 0, truncations: 0, replacements: 0, lostBytes: 0 };
}

function addCounts(a: Readonly<RotationCounts>, b: Readonly<RotationCounts>): RotationCounts {
  return {
    rotations: a.rotations + b.rotations,
    truncations: a.truncations + b.truncations,
    replacements: a.replacements + b.replacements,
    lostBytes: a.lostBytes + b.lostBytes,
  };
}
