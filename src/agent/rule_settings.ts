/**
 * The `rules` section of the configuration to what the rule manager works from.
 */
import { readFileSync } from "node:fs";
import {
  readSchemaFile,
  schemaRoutes,
  type SchemaRoutingSettings,
} from "../runtime/schema_routing.ts";
import { SchemaError } from "../schema/errors.ts";
import { ConfigError } from "./config/problems.ts";
import type { RulesConfig, SchemaSectionConfig } from "./config/types.ts";
import type { RuleSettings } from "./rule_manager.ts";

/** How the agent deals with schemas. */
export interface AgentSchema extends SchemaRoutingSettings {
  /** Whether events are routed by their schema; else schemas are only counted. */
  readonly routing: boolean;
}

/**
 * The schema file of the configuration is read and checked.
 *
 * @throws {ConfigError} `CONFIG_INVALID` if it cannot be used.
 */
export function agentSchema(section: SchemaSectionConfig): AgentSchema {
  const { routing, observe, config, onUnknown, partitionRules } = section;
  if (!routing && !observe) return { routing: false };
  try {
    const settings: AgentSchema = {
      routing,
      partitionRules,
      ...(config === undefined ? {} : { file: readSchemaFile(config) }),
      ...(onUnknown === undefined ? {} : { onUnknown }),
    };
    schemaRoutes(settings);
    return settings;
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    const problems = error.problems.map(({ line, message }) => ({
      severity: "error" as const,
      path: "schema.config",
      message,
      origin: { kind: "file" as const, file: config ?? "", line: line ?? 0, column: 1 },
    }));
    throw new ConfigError("CONFIG_INVALID", problems, { cause: error });
  }
}

/** Whether the rules inside the executable are among those that are asked for. */
export function usesEmbedded({ embedded, paths }: RulesConfig): boolean {
  return embedded === "auto" ? paths.length === 0 : embedded;
}

/**
 * @param embedded The bundle inside the executable.
 * @param schema From `agentSchema`.
 * @throws If the key that bundles must be signed with cannot be read.
 */
export function ruleSettings(
  rules: RulesConfig,
  embedded: Uint8Array | undefined,
  schema: AgentSchema = { routing: false },
): RuleSettings {
  return {
    request: {
      paths: rules.paths,
      ...(usesEmbedded(rules) && embedded !== undefined ? { bundle: embedded } : {}),
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
      ...(rules.logsourceFields === undefined ? {} : { logsourceFields: rules.logsourceFields }),
    },
    schema,
    onError: rules.onError,
  };
}
