/**
 * A rule set in two steps: compiling it, which reads YAML and takes seconds for thousands of rules,
 * and opening what was compiled, which takes milliseconds.
 *
 * The first step runs wherever it disturbs nobody, such as another thread. Its result is plain data:
 * a rule bundle, and a list of what is in it for people to look at. The bundle is also what is kept
 * on disk as the last good rules.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeBundle, encodeBundle, readBundleHeader } from "../engine/bundle.ts";
import { jsonText } from "../event/json_text.ts";
import { assembleRules } from "../sigma/assemble.ts";
import type { ParsedFile } from "../sigma/parse.ts";
import type {
  CorrelationRule,
  DetectionRule,
  FilterRule,
  Level,
  RuleCollection,
  RuleProblem,
} from "../sigma/rule.ts";
import { bundledFile, readRuleFiles, type RuleFiles } from "./load_rules.ts";

/** Where rules come from. */
export interface RuleSetRequest {
  /** Rule files, directories and bundles. */
  readonly paths: readonly string[];
  /** A bundle in memory, such as the embedded one; its rules come first. */
  readonly bundle?: Uint8Array;
  /** PEM-encoded Ed25519 key that bundles under `paths` must be signed with. */
  readonly bundleKey?: string;
}

/** One rule as lists show it. */
export interface RuleSummary {
  /** The rule's id, or its title if it has none. */
  readonly key: string;
  /** Null if it has none. */
  readonly id: string | null;
  /** As written. */
  readonly title: string;
  /** What kind of document it is. */
  readonly kind: "detection" | "correlation" | "filter";
  /** Null if it names none. */
  readonly level: Level | null;
  /** Null if it names none. */
  readonly status: string | null;
  /** Of its logsource; null if it names none. */
  readonly product: string | null;
  /** The same. */
  readonly category: string | null;
  /** The same. */
  readonly service: string | null;
  /** As written: `attack.execution`. */
  readonly tags: readonly string[];
  /** The file it was read from. */
  readonly file: string;
  /** Where it begins, from 1. */
  readonly line: number;
  /** Hex SHA-256 of what the rule says, its place left out; the first 16 digits. */
  readonly hash: string;
}

/** A rule set that has been compiled; survives `structuredClone`. */
export interface CompiledRuleSet {
  /** The rules as a bundle, filters not yet bound. */
  readonly bundle: Uint8Array;
  /** Hex SHA-256 of the bundle's content: equal for equal rules. */
  readonly sha256: string;
  /** All of them: those that a choice leaves out as well. */
  readonly rules: readonly RuleSummary[];
  /** What is wrong with rules and files. */
  readonly problems: readonly RuleProblem[];
  /** Files and bundles that were looked at. */
  readonly fileCount: number;
}

/** Compiles rules in this thread or another; rejects only if that fails as such. */
export type RuleSetCompiler = (
  request: RuleSetRequest,
  signal: AbortSignal,
) => Promise<CompiledRuleSet>;

/** Name that problems and lists give for rules of a bundle in memory. */
const MEMORY_PATH = "(embedded)";
/** Packing tighter costs half a second and nobody keeps these for long. */
const PACK_LEVEL = 1;

/**
 * Reads, checks and packs rules. What is wrong with one file or rule does not stop the others: it is
 * in `problems`.
 */
export function compileRuleSet(request: RuleSetRequest): CompiledRuleSet {
  const sole = soleBundle(request);
  const { files, fileCount } = sole === undefined
    ? readAll(request)
    : { files: [bundledFile(MEMORY_PATH, decodeBundle(sole))], fileCount: 1 };
  const content = {
    rules: files.flatMap(({ rules }) => rules),
    correlations: files.flatMap(({ correlations }) => correlations),
    filters: files.flatMap(({ filters }) => filters),
  };
  const { problems } = assembleRules(files);
  const failed = problems.filter(({ severity }) => severity === "error").length;
  const packed = sole ?? encodeBundle(content, failed, undefined, PACK_LEVEL);
  return {
    bundle: packed,
    sha256: readBundleHeader(packed).sha256,
    rules: [
      ...content.rules.map(summary),
      ...content.correlations.map(summary),
      ...content.filters.map(summary),
    ],
    problems,
    fileCount,
  };
}

function readAll({ paths, bundle, bundleKey }: RuleSetRequest): RuleFiles {
  const read = readRuleFiles(paths, bundleKey === undefined ? {} : { bundleKey });
  if (bundle === undefined) return read;
  const files = [bundledFile(MEMORY_PATH, decodeBundle(bundle)), ...read.files];
  return { files, fileCount: read.fileCount + 1 };
}

/**
 * The bundle that the request amounts to, if that is all: it need not be packed again. It has been
 * checked; one that is not sound is left to `readAll`, which tells why.
 */
function soleBundle({ paths, bundle, bundleKey }: RuleSetRequest): Uint8Array | undefined {
  if (paths.length === 0) return bundle;
  if (bundle !== undefined || paths.length > 1 || !paths[0]!.endsWith(".bundle")) return undefined;
  try {
    const bytes = readFileSync(paths[0]!);
    decodeBundle(bytes, bundleKey);
    return bytes;
  } catch {
    return undefined;
  }
}

/** Which of the rules are taken. */
export interface RuleChoice {
  /** Leaves out rules of lower levels; rules without a level stay. */
  readonly minLevel?: Level;
  /** Ids or titles, in any letter case, of rules that are left out. */
  readonly disabled?: readonly string[];
}

/** Unpacks a compiled rule set and binds its filters. */
export function openRuleSet(bundle: Uint8Array, choice: RuleChoice = {}): RuleCollection {
  const disabled = new Set(choice.disabled?.map((name) => name.toLowerCase()));
  const content = bundledFile(MEMORY_PATH, decodeBundle(bundle));
  const kept: ParsedFile = disabled.size === 0 ? content : {
    ...content,
    rules: content.rules.filter(({ id, title }) =>
      !disabled.has(title.toLowerCase()) && (id === undefined || !disabled.has(id.toLowerCase()))
    ),
  };
  return assembleRules(
    [kept],
    choice.minLevel === undefined ? {} : { minimumLevel: choice.minLevel },
  );
}

function summary(rule: DetectionRule | CorrelationRule | FilterRule): RuleSummary {
  const logsource = rule.kind === "correlation" ? undefined : rule.logsource;
  return {
    key: rule.id ?? rule.title,
    id: rule.id ?? null,
    title: rule.title,
    kind: rule.kind,
    level: rule.level ?? null,
    status: rule.status ?? null,
    product: logsource?.product ?? null,
    category: logsource?.category ?? null,
    service: logsource?.service ?? null,
    tags: rule.tags,
    file: rule.origin.path,
    line: rule.origin.line,
    hash: createHash("sha256").update(jsonText(meaning(rule))).digest("hex").slice(0, 16),
  };
}

/** What a change of must show in a diff: everything that matching and results depend on. */
function meaning(rule: DetectionRule | CorrelationRule | FilterRule): unknown {
  const { title, id, level, status, tags, customAttributes, falsepositives } = rule;
  const said = { title, id, level, status, tags, customAttributes, falsepositives };
  switch (rule.kind) {
    case "detection": // Its members may be unpacked on demand, so it cannot be spread.
      return [said, rule.logsource, placeless(rule.selections), rule.conditions];
    case "filter":
      return [said, rule.logsource, rule.targets, placeless(rule.selections), rule.conditions];
    case "correlation": {
      const { origin: _, ...all } = rule;
      return all;
    }
  }
}

/** A copy without the `position` of selections and items, which a line above them changes. */
function placeless(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(placeless);
  return Object.fromEntries(
    Object.entries(value).filter(([key]) => key !== "position")
      .map(([key, member]) => [key, placeless(member)]),
  );
}
