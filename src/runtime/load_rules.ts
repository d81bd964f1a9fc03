/**
 * Rules from files, directories and bundles.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { decodeBundle, isBundle } from "../engine/bundle.ts";
import { checkRegex } from "../engine/regex/compile.ts";
import type { StoreContent } from "../engine/rule_store.ts";
import { assembleRules } from "../sigma/assemble.ts";
import { type ParsedFile, type ParseOptions, parseRules } from "../sigma/parse.ts";
import type { RuleCollection, RuleProblem } from "../sigma/rule.ts";

/** How rule files are read. */
export interface LoadOptions extends Omit<ParseOptions, "checkRegex"> {
  /** PEM-encoded Ed25519 key that bundles must be signed with. */
  readonly bundleKey?: string;
}

/** What was read, before filters are bound to rules. */
export interface RuleFiles {
  readonly files: readonly ParsedFile[];
  /** Files and bundles that were looked at. */
  readonly fileCount: number;
}

/** Rule files larger than this are not rules; no public one exceeds 100 KB. */
const MAX_RULE_FILE_BYTES = 32 << 20;

/** Reads and joins everything under `paths`. */
export function loadRules(paths: readonly string[], options: LoadOptions = {}): RuleCollection {
  return assembleRules(readRuleFiles(paths, options).files);
}

/**
 * Reads rule files without binding filters, as a bundle stores them.
 *
 * Nothing that is wrong with one file stops the others: it becomes a problem of the collection.
 */
export function readRuleFiles(paths: readonly string[], options: LoadOptions = {}): RuleFiles {
  const files: ParsedFile[] = [];
  for (const path of paths) {
    const listing = listRuleFiles(path);
    if (listing.problems.length > 0) files.push(problemFile(path, listing.problems));
    for (const file of listing.files) files.push(readRuleFile(file, options));
  }
  return { files, fileCount: files.length };
}

/** What an unpacked bundle holds, as if it had been one file. */
export function bundledFile(path: string, content: StoreContent): ParsedFile {
  return { path, ...content, problems: [] };
}

function readRuleFile(path: string, options: LoadOptions): ParsedFile {
  try {
    const { size } = statSync(path);
    if (size > MAX_RULE_FILE_BYTES && extname(path) !== ".bundle") {
      return problemFile(path, [problem(path, "file_too_large", `the file has ${size} bytes`)]);
    }
    const bytes = readFileSync(path);
    // A bundle that has become something else must not pass for a file without rules.
    if (isBundle(bytes) || extname(path) === ".bundle") {
      return bundledFile(path, decodeBundle(bytes, options.bundleKey));
    }
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return parseRules(text, path, { ...options, checkRegex });
  } catch (error) {
    const invalid = error instanceof TypeError;
    const message = invalid ? "the file is not UTF-8 text" : messageOf(error);
    return problemFile(path, [
      problem(path, invalid ? "invalid_utf8" : "file_read_error", message),
    ]);
  }
}

/** The rule files at `path`: itself if it is a file, else those below it, sorted bytewise. */
export function listRuleFiles(
  path: string,
): { readonly files: readonly string[]; readonly problems: readonly RuleProblem[] } {
  const files: string[] = [];
  const problems: RuleProblem[] = [];
  const entered = new Set<string>();
  const walk = (place: string, named: boolean): void => {
    try {
      const stat = statSync(place);
      if (!stat.isDirectory()) {
        if (named || /\.ya?ml$/.test(place) || place.endsWith(".bundle")) files.push(place);
        return;
      }
      const real = realpathSync(place);
      if (entered.has(real)) return; // A loop of links, or a directory reached twice.
      entered.add(real);
      for (const name of readdirSync(place).sort()) {
        // Hidden files are settings of tools, such as `.picket-lint.yml`.
        if (!name.startsWith(".")) walk(join(place, name), false);
      }
    } catch (error) {
      problems.push(problem(place, "file_read_error", messageOf(error)));
    }
  };
  walk(path, true);
  return { files, problems };
}

function problemFile(path: string, problems: readonly RuleProblem[]): ParsedFile {
  return { path, rules: [], correlations: [], filters: [], problems };
}

function problem(path: string, code: string, message: string): RuleProblem {
  return { severity: "error", code, path, message: `Cannot read rules: ${message}` };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
