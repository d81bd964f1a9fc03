/**
 * What a log reports about itself: records that are missing, a log that began anew.
 */
import type { SourceNotice } from "../../runtime/plugin.ts";
import type { RecordName } from "./log_file.ts";

/** Losses told apart in one batch; a badly damaged log has one behind every other record. */
const MAX_LOSSES = 16;

/** Both ends are missing. */
interface Loss {
  readonly before: RecordName;
  readonly first: bigint;
  last: bigint;
  records: bigint;
}

/** Gaps between records of one log. */
export class Losses {
  readonly #origin: string;
  readonly #losses: Loss[] = [];
  /** Records that are missing. */
  records = 0n;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Tells that the ids from `first` to `last` are missing behind the record read before. */
  add(before: RecordName, first: bigint, last: bigint): void {
    const records = last - first + 1n;
    this.records += records;
    const latest = this.#losses.at(-1);
    if (latest === undefined || this.#losses.length < MAX_LOSSES) {
      this.#losses.push({ before, first, last, records });
    } else {
      latest.last = last;
      latest.records += records;
    }
  }

  notices(): readonly SourceNotice[] {
    return this.#losses.map(({ before, first, last, records }) => ({
      id: `event_loss:${first}-${last}@${before.ticks}`,
      reason: "event_loss",
      message: `${records} records of ${this.#origin} were not read, ` +
        `from ${first} to ${last}: overwritten before that, removed or damaged`,
      facts: {
        origin: this.#origin,
        first_record_id: fact(first),
        last_record_id: fact(last),
        records: fact(records),
      },
    }));
  }
}

/** The log has other records than before: it was cleared, or replaced by another one. */
export function logCleared(origin: string, last: RecordName): SourceNotice {
  return {
    id: `log_cleared:${last.id}@${last.ticks}`,
    reason: "log_cleared",
    message: `${origin} was cleared or replaced after record ${last.id}; ` +
      `what was written between that and the clearing was not read`,
    facts: { origin, last_record_id: fact(last.id) },
  };
}

/** JSON holds integers up to 2^53. */
function fact(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}
