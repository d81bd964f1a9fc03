/**
 * The `rules` section of the configuration to what the rule manager works from.
 */
import { readFileSync } from "node:fs";
import type { RulesConfig } from "./config/types.ts";
import type { RuleSettings } from "./rule_manager.ts";

/**
 * @param embedded The bundle inside the executable.
 * @throws If the key that bundles must be signed with cannot be read.
 */
export function ruleSettings(rules: RulesConfig, embedded: Uint8Array | undefined): RuleSettings {
  const usesEmbedded = rules.embedded === "auto" ? rules.paths.length === 0 : rules.embedded;
  return {
    request: {
      paths: rules.paths,
      ...(usesEmbedded && embedded !== undefined ? { bundle: embedded } : {}),
      ...(rules.bundleKey === undefined
        ? {}
        : { bundleKey: readFileSync(rules.bundleKey, "utf8") }),
    },
    choice: {
      disabled: rules.disable,
      ...(rules.minLevel === undefined ? {} : { minLevel: rules.minLevel }),
    },
    engine: {
      matchDetail: rules.matchDetail,
      includeEvent: rules.includeEvent,
      logsourceRouting: rules.logsourceRouting,
    },
    onError: rules.onError,
  };
}
