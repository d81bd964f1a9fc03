/**
 * What the caller of the front end may choose, and what travels with a document while it is read.
 */
import { DEFAULT_LIMITS, type RuleLimits } from "./limits.ts";
import type { Placeholders } from "./placeholders.ts";
import type { ProblemLog } from "./problems.ts";

export interface ParseOptions {
  /**
   * Compiles a regular expression for the engine that will run it. `flags` is a subset of `ims`.
   * Returns what is wrong with it, or `undefined`. Without this function no regex is checked.
   */
  readonly checkRegex?: (source: string, flags: string) => string | undefined;
  /** Values for `%name%` in items with `expand`. */
  readonly placeholders?: Placeholders;
  /** Fill placeholders without configured values from the event's field of that name. */
  readonly expandFromEvent?: boolean;
  /** Custom attributes that are not kept. Default: `DROPPED_ATTRIBUTES`. */
  readonly droppedAttributes?: readonly string[];
  readonly limits?: Partial<RuleLimits>;
}

/** Keys of SigmaHQ's own test tooling, of no use in an alert. */
export const DROPPED_ATTRIBUTES: readonly string[] = ["regression_tests_path", "simulation"];

/** One document being read. */
export interface Reading {
  readonly options: ParseOptions;
  readonly limits: RuleLimits;
  readonly log: ProblemLog;
  readonly sigmaVersion: number;
}

export function resolveLimits(options: ParseOptions): RuleLimits {
  return { ...DEFAULT_LIMITS, ...options.limits };
}
