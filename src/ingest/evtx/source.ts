/**
 * Windows event logs as a source: several live logs, looked at one after another.
 *
 * The files are read, not the Event Log API: so it works on copies, on shares and on every system,
 * and what was overwritten or cleared while nobody read is told from the record ids.
 */
import { EvtxDecoder } from "../../decode/evtx/decoder.ts";
import { SourceError } from "../../runtime/errors.ts";
import type { EventBatch, EventSource, SourceHealth, SourceNotice } from "../../runtime/plugin.ts";
import type { EvtxSourceSettings } from "../../runtime/settings.ts";
import { sleep } from "../../runtime/sleep.ts";
import { type FollowerCounts, LogFollower, type Look } from "./follower.ts";
import { type EvtxPosition, formatPosition, type Mark, parsePosition } from "./mark.ts";
import { findLogs, type LogPlace } from "./paths.ts";

const POLL_MS = 500;
/** How often globs are looked up again. */
const DISCOVER_MS = 5000;
/** Pauses between tries to open a log that cannot be opened. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** Marks kept of logs that are no longer there; they may come back. */
const MAX_ABSENT = 1000;

/**
 * Follows event logs.
 *
 * Events are of the kind `readChunks` gives, each valid for ever; their record ids are
 * `<record id>@<time written, 100 ns since 1601>`, their origin is the channel's name or the path.
 * Batches carry notices of the reasons `event_loss`, `log_cleared` and `position_lost`.
 *
 * One position says how far all logs were read. Without it, logs that are there begin at
 * `settings.startAt` (`end`); those that appear later begin at their start.
 */
export function evtxSource(settings: EvtxSourceSettings): EventSource {
  return new EvtxSource(settings);
}

/** A log, and what became of the last try to open it. */
interface Followed {
  readonly place: LogPlace;
  readonly follower: LogFollower;
  error: { readonly code: string; readonly message: string } | undefined;
  retryMs: number;
  nextTryMs: number;
}

class EvtxSource implements EventSource {
  readonly id: string;
  readonly kind = "evtx";
  readonly #settings: EvtxSourceSettings;
  #state: SourceHealth["state"] = "starting";
  #failure: string | undefined;
  #logs = new Map<string, Followed>();

  constructor(settings: EvtxSourceSettings) {
    this.id = settings.id;
    this.#settings = settings;
  }

  health(): SourceHealth {
    const logs = [...this.#logs.values()];
    const broken = logs.filter(({ error }) => error !== undefined);
    const errors = [this.#failure, ...broken.map(({ error }) => error!.message)]
      .filter((message) => message !== undefined);
    const isWaiting = this.#state === "running" && broken.length > 0;
    const counts: Record<string, number> = { files: logs.length - broken.length };
    let records = 0;
    for (const { follower } of logs) {
      records += follower.lag;
      for (const [name, count] of Object.entries(follower.counts) as Entries<FollowerCounts>) {
        counts[name] = (counts[name] ?? 0) + count;
      }
    }
    const state = isWaiting ? "waiting" : this.#state;
    const base = { state, lag: { records }, counts };
    return errors.length === 0 ? base : { ...base, error: errors.join("; ") };
  }

  async *read(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    const { position, notices } = restore(from);
    const reading = new Reading(this.#settings, position);
    this.#logs = reading.logs;
    this.#failure = undefined;
    try {
      reading.discover();
      this.#state = "running";
      // Where all logs begin is told at once, so that none that is there now counts as a later one.
      if (reading.begin() || notices.length > 0) {
        yield { events: [], position: reading.position(), notices };
      }
      for (let discoverMs = Date.now() + DISCOVER_MS;;) {
        let more = false;
        for (const log of [...reading.logs.values()]) {
          const look = reading.look(log);
          signal.throwIfAborted();
          if (look === undefined) continue;
          more ||= look.more;
          yield { events: look.events, position: reading.position(), notices: look.notices };
        }
        reading.failIfNoneIsReadable();
        // Between looks the rest of the agent gets its turn.
        await sleep(more ? 0 : this.#settings.pollMs ?? POLL_MS, signal);
        if (Date.now() < discoverMs) continue;
        discoverMs = Date.now() + DISCOVER_MS;
        reading.discover();
      }
    } catch (error) {
      if (error instanceof SourceError) {
        this.#state = "failed";
        this.#failure = error.message;
      }
      throw error;
    } finally {
      if (this.#state !== "failed") this.#state = "stopped";
    }
  }
}

type Entries<T> = readonly (readonly [keyof T & string, number])[];

/** The logs of one call of `read`. */
class Reading {
  readonly logs = new Map<string, Followed>();
  readonly #settings: EvtxSourceSettings;
  readonly #decoder = new EvtxDecoder();
  /** Marks of the position that no log has taken up. */
  readonly #absent: Map<string, Mark>;
  #hasBegun = false;
  readonly #known: ReadonlySet<string>;

  constructor(settings: EvtxSourceSettings, { known, marks }: EvtxPosition) {
    this.#settings = settings;
    this.#absent = new Map(marks);
    this.#known = new Set(known);
  }

  /** Takes up logs that have appeared; gives up those found by a glob that have gone. */
  discover(): void {
    const { channels, startAt = "end" } = this.#settings;
    const places = findLogs(channels);
    const origins = new Set(places.map(({ origin }) => origin));
    for (const [origin, { follower }] of this.logs) {
      if (origins.has(origin)) continue;
      this.logs.delete(origin);
      if (follower.mark !== undefined) this.#absent.set(origin, follower.mark);
    }
    for (const place of places) {
      if (this.logs.has(place.origin)) continue;
      const mark = this.#absent.get(place.origin);
      this.#absent.delete(place.origin);
      const begin = this.#known.has(place.entry) || this.#hasBegun ? "start" : startAt;
      this.logs.set(place.origin, {
        place,
        follower: new LogFollower(place.origin, place.path, this.#decoder, begin, mark),
        error: undefined,
        retryMs: 0,
        nextTryMs: 0,
      });
    }
    this.#hasBegun = true;
    for (const origin of this.#absent.keys()) {
      if (this.#absent.size <= MAX_ABSENT) break;
      this.#absent.delete(origin);
    }
  }

  /** Looks where logs begin that have no mark yet; returns whether there was one. */
  begin(): boolean {
    const fresh = [...this.logs.values()].filter(({ follower }) => follower.mark === undefined);
    for (const log of fresh) this.look(log);
    return fresh.length > 0;
  }

  /** What is new in the log; `undefined` if nothing is, or if it cannot be opened. */
  look(log: Followed): Look | undefined {
    if (Date.now() < log.nextTryMs) return undefined;
    try {
      const before = log.follower.mark;
      const look = log.follower.look();
      log.error = undefined;
      log.retryMs = 0;
      log.nextTryMs = 0;
      const isNews = look.events.length > 0 || look.notices.length > 0 ||
        log.follower.mark !== before || look.more;
      return isNews ? look : undefined;
    } catch (cause) {
      this.#onError(log, cause);
      return undefined;
    }
  }

  position(): string {
    const marks = new Map(this.#absent);
    for (const [origin, { follower }] of this.logs) {
      if (follower.mark !== undefined) marks.set(origin, follower.mark);
    }
    // Of an entry with a log that could not be opened it is not known where that begins.
    const open = new Set(
      [...this.logs.values()].filter(({ follower, error }) =>
        follower.mark === undefined && error?.code !== "ENOENT"
      ).map(({ place }) => place.entry),
    );
    const known = this.#settings.channels.filter((entry) => !open.has(entry));
    return formatPosition({ known, marks });
  }

  /** @throws {SourceError} `SOURCE_DENIED` when every log is withheld from us. */
  failIfNoneIsReadable(): void {
    const logs = [...this.logs.values()];
    if (logs.length === 0 || logs.some(({ error }) => !isDenied(error))) return;
    const { message } = logs[0]!.error!;
    const hint = "the agent needs the rights of an administrator or of Event Log Readers";
    throw new SourceError("SOURCE_DENIED", `${message}; ${hint}`);
  }

  #onError(log: Followed, cause: unknown): void {
    const { code, message = String(cause) } = cause as { code?: unknown; message?: string };
    if (typeof code !== "string") throw cause; // Not of the system: a bug.
    log.error = { code, message: `Cannot read event log ${log.place.path}: ${message}` };
    // A log that is not there yet costs no more than one that is idle, and must be read promptly.
    if (code === "ENOENT") {
      log.follower.beginAtStart();
      return;
    }
    log.retryMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, log.retryMs * 2));
    log.nextTryMs = Date.now() + log.retryMs;
  }
}

function isDenied(error: Followed["error"]): boolean {
  return error !== undefined && (error.code === "EACCES" || error.code === "EPERM");
}

/** The position, or an empty one and the notice that the old one cannot be read. */
function restore(
  from: string | undefined,
): { readonly position: EvtxPosition; readonly notices: readonly SourceNotice[] } {
  const none: EvtxPosition = { known: [], marks: new Map() };
  if (from === undefined) return { position: none, notices: [] };
  try {
    return { position: parsePosition(from), notices: [] };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const { message } = error;
    // To stop for ever would lose more than to begin anew and to say so.
    const notice = { id: `position_lost:${from}`, reason: "position_lost", message, facts: {} };
    return { position: none, notices: [notice] };
  }
}
