/**
 * What the agent counts for people: matches by rule, and rates like those of a load average.
 */
import type { DetectionResult } from "../engine/result.ts";
import { titleKey } from "../runtime/alert.ts";
import type { Level } from "../sigma/rule.ts";

/** What one rule has done since the agent started. */
export interface RuleMatches {
  readonly title: string;
  readonly level: Level | null;
  matches: number;
  lastMs: number;
}

/** Per second, over the last 1, 5 and 15 minutes. */
export interface Rates {
  readonly m1: number;
  readonly m5: number;
  readonly m15: number;
}

/** A rule set that changes for months must not fill the memory with rules that are gone. */
const MAX_RULES = 20_000;
const MINUTES = [1, 5, 15] as const;
/** A sample a second of each of some sources, for a minute. */
const MAX_LAG_SAMPLES = 1000;

/** A count whose rate decays with time. */
export class RateCounter {
  #total = 0;
  #seen = 0;
  #seenMs: number;
  readonly #rates = [0, 0, 0];

  constructor(nowMs: number) {
    this.#seenMs = nowMs;
  }

  get total(): number {
    return this.#total;
  }

  add(count: number): void {
    this.#total += count;
  }

  /** The rates as of `nowMs`; asking more often than once a second changes nothing. */
  rates(nowMs: number): Rates {
    const seconds = (nowMs - this.#seenMs) / 1000;
    if (seconds >= 1) {
      const rate = (this.#total - this.#seen) / seconds;
      for (const [index, minutes] of MINUTES.entries()) {
        const kept = Math.exp(-seconds / (60 * minutes));
        this.#rates[index] = this.#rates[index]! * kept + rate * (1 - kept);
      }
      this.#seen = this.#total;
      this.#seenMs = nowMs;
    }
    const [m1, m5, m15] = this.#rates as [number, number, number];
    return { m1, m5, m15 };
  }
}

/** How far events are behind the clock, over the last minute. */
export class LagSamples {
  readonly #samples: { readonly atMs: number; readonly seconds: number }[] = [];

  add(seconds: number, nowMs: number): void {
    this.#samples.push({ atMs: nowMs, seconds });
    if (this.#samples.length > MAX_LAG_SAMPLES) this.#samples.shift();
  }

  /** The median in seconds; negative if events come from the future. `null` without any. */
  median(nowMs: number): number | null {
    const recent = this.#samples
      .filter(({ atMs }) => Math.abs(nowMs - atMs) <= 60_000)
      .map(({ seconds }) => seconds)
      .sort((left, right) => left - right);
    return recent[Math.floor(recent.length / 2)] ?? null;
  }
}

/** Matches of each rule, by its id or `titleKey`. */
export class RuleCounters {
  readonly #rules = new Map<string, RuleMatches>();
  #matches = 0;

  /** Of all rules. */
  get matches(): number {
    return this.#matches;
  }

  count(results: readonly DetectionResult[], nowMs: number): void {
    this.#matches += results.length;
    for (const { rule_id: id, rule_title: title, level } of results) {
      const key = id ?? titleKey(title);
      const known = this.#rules.get(key);
      if (known !== undefined) {
        known.matches++;
        known.lastMs = nowMs;
      } else if (this.#rules.size < MAX_RULES) {
        this.#rules.set(key, { title, level, matches: 1, lastMs: nowMs });
      }
    }
  }

  get(key: string): RuleMatches | undefined {
    return this.#rules.get(key);
  }

  /** The rules that matched most, most first. */
  top(count: number): readonly (readonly [key: string, RuleMatches])[] {
    return [...this.#rules].sort((left, right) => right[1].matches - left[1].matches)
      .slice(0, count);
  }
}
