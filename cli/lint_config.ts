/**
 * `.picket-lint.yml`: what a rule repository wants the linter to overlook. A `.rsigma-lint.yml` is
 * read as well.
 *
 * @see sigma-rules.md, section 25
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, matchesGlob, relative, resolve, sep } from "node:path";
import { parse } from "yaml";
import type { LintOptions, LintSeverity } from "../src/sigma/lint.ts";
import { UsageError } from "./commands/common.ts";

const NAMES = [".picket-lint.yml", ".rsigma-lint.yml"];
const SEVERITIES: readonly LintSeverity[] = ["error", "warning", "info", "hint"];
const KEYS = ["disabled_rules", "severity_overrides", "exclude", "tag_namespaces", "ads"];

/** What such a file says. */
export interface LintConfig {
  readonly options: LintOptions;
  /** Whether a rule file is to be left out. */
  isExcluded(path: string): boolean;
}

const EMPTY: LintConfig = { options: {}, isExcluded: () => false };

/** Whether a file is such a configuration, and so no rule. */
export function isLintConfig(path: string): boolean {
  return NAMES.includes(basename(path));
}

/**
 * The configuration for rules at `path`: that of its directory or the nearest one above.
 *
 * @throws {UsageError} If there is one that cannot be used.
 */
export function findLintConfig(path: string): LintConfig {
  let directory = resolve(path);
  try {
    if (!statSync(directory).isDirectory()) directory = dirname(directory);
  } catch {
    return EMPTY; // The path itself is reported as a problem.
  }
  for (;;) {
    const found = NAMES.map((name) => join(directory, name)).find((name) => existsSync(name));
    if (found !== undefined) return readLintConfig(found);
    const parent = dirname(directory);
    if (parent === directory) return EMPTY;
    directory = parent;
  }
}

/** @throws {UsageError} */
export function readLintConfig(path: string): LintConfig {
  let root: unknown;
  try {
    root = parse(readFileSync(path, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read lint configuration ${path}: ${reason}`, { cause: error });
  }
  if (root === null || root === undefined) return EMPTY;
  const map = mapping(root, path, "the file");
  for (const key of Object.keys(map)) {
    if (!KEYS.includes(key)) {
      throw invalid(path, `unknown key '${key}'; keys are ${KEYS.join(", ")}`);
    }
  }
  const exclude = texts(map["exclude"], path, "exclude");
  const directory = dirname(resolve(path));
  return {
    options: {
      disabledRules: texts(map["disabled_rules"], path, "disabled_rules"),
      severityOverrides: severities(map["severity_overrides"], path),
      tagNamespaces: texts(map["tag_namespaces"], path, "tag_namespaces"),
      ...adsOptions(map["ads"], path),
    },
    isExcluded: (file) => {
      const name = relative(directory, resolve(file)).split(sep).join("/");
      return exclude.some((pattern) => matchesGlob(name, pattern));
    },
  };
}

function adsOptions(value: unknown, path: string): Pick<LintOptions, "ads"> {
  if (value === undefined || value === null) return {};
  const ads = mapping(value, path, "ads");
  const status = ads["enforce_status"];
  const required = ads["required"];
  return {
    ads: {
      ...(status === undefined ? {} : { enforceStatus: texts(status, path, "ads.enforce_status") }),
      ...(required === undefined ? {} : { required: texts(required, path, "ads.required") }),
    },
  };
}

function severities(value: unknown, path: string): Readonly<Record<string, LintSeverity>> {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(mapping(value, path, "severity_overrides"));
  return Object.fromEntries(entries.map(([rule, severity]) => {
    const known = SEVERITIES.find((one) => one === severity);
    if (known !== undefined) return [rule, known];
    throw invalid(path, `severity_overrides.${rule} must be one of ${SEVERITIES.join(", ")}`);
  }));
}

function mapping(value: unknown, path: string, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalid(path, `${what} must be a mapping`);
}

function texts(value: unknown, path: string, what: string): readonly string[] {
  if (value === undefined || value === null) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((member) => {
    if (typeof member === "string") return member;
    throw invalid(path, `${what} must be a list of texts`);
  });
}

function invalid(path: string, message: string): UsageError {
  return new UsageError(`Cannot use lint configuration ${path}: ${message}`);
}
