/**
 * How much a rule file may ask of us. Rules arrive from remote feeds, so none of these quantities
 * may be chosen by whoever wrote the file.
 *
 * @see sigma-rules.md, sections 3 and 29.16
 */

/** The bounds of one rule file; an operator may set each of them. */
export interface RuleLimits {
  /** UTF-16 units of one file. */
  readonly fileLength: number;
  readonly documentsPerFile: number;
  /** Nodes that the aliases of one document may stand for, counted as if written out. */
  readonly aliasNodes: number;
  /** Collections inside collections. Real rules nest five deep. */
  readonly yamlDepth: number;
  /** UTF-16 units of one value of a detection item. */
  readonly valueLength: number;
  readonly valuesPerItem: number;
  /** Bytes of one condition, as UTF-8. */
  readonly conditionBytes: number;
  /** Parentheses inside parentheses. */
  readonly conditionDepth: number;
  /** Patterns that one value with several placeholders may become. */
  readonly placeholderProduct: number;
}

export const DEFAULT_LIMITS: RuleLimits = {
  fileLength: 1 << 20,
  documentsPerFile: 10_000,
  aliasNodes: 10_000,
  yamlDepth: 64,
  valueLength: 64 << 10,
  valuesPerItem: 100_000,
  conditionBytes: 65_536,
  conditionDepth: 64,
  placeholderProduct: 4_096,
};

/** Mappings inside mappings that `action: repeat` and `action: global` merge. */
export const MAX_MERGE_DEPTH = 64;
