/**
 * The rules of a scan: loaded from where the user said, cut to what the user asked for.
 */
import { assembleRules } from "../../src/sigma/assemble.ts";
import { type DetectionRule, LEVELS, type RuleCollection } from "../../src/sigma/rule.ts";
import { readRuleFiles } from "../../src/runtime/load_rules.ts";
import { embeddedRules } from "../embedded_rules.ts";
import type { RuleSources, ScanSettings } from "./types.ts";

/** Loads rules; a worker and the main thread get the same rules in the same order. */
export async function loadSources(sources: RuleSources): Promise<RuleCollection> {
  const options = sources.bundleKey === undefined ? {} : { bundleKey: sources.bundleKey };
  const files = [...readRuleFiles(sources.paths, options).files];
  if (sources.embedded) files.unshift(await embeddedRules());
  return assembleRules(files);
}

/** The rules that the settings leave; a rule is named by its id or title, in any letter case. */
export function selectRules(
  rules: readonly DetectionRule[],
  settings: Pick<ScanSettings, "minLevel" | "onlyRules">,
): readonly DetectionRule[] {
  const { minLevel, onlyRules } = settings;
  const lowest = minLevel === undefined ? -1 : LEVELS.indexOf(minLevel);
  const wanted = new Set(onlyRules.map((name) => name.toLowerCase()));
  return rules.filter((rule) =>
    (lowest <= 0 || (rule.level !== undefined && LEVELS.indexOf(rule.level) >= lowest)) &&
    (wanted.size === 0 || wanted.has(rule.title.toLowerCase()) ||
      (rule.id !== undefined && wanted.has(rule.id.toLowerCase())))
  );
}

/** The names in `onlyRules` that no rule answers to. */
export function unknownRules(
  rules: readonly DetectionRule[],
  onlyRules: readonly string[],
): readonly string[] {
  const known = new Set(rules.flatMap(({ id, title }) => [title.toLowerCase(), id?.toLowerCase()]));
  return onlyRules.filter((name) => !known.has(name.toLowerCase()));
}
