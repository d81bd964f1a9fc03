/**
 * Schema files from disk, and evaluators that route by them.
 */
import { readFileSync } from "node:fs";
import { type EngineOptions, type EventEvaluator, RuleEngine } from "../engine/engine.ts";
import { compileRegex } from "../engine/regex/compile.ts";
import { type RoutingTally, SchemaRouter, SchemaRoutes } from "../engine/schema_router.ts";
import {
  NO_SCHEMA_CONFIG,
  parseSchemaConfig,
  type SchemaConfig,
  type UnknownPolicy,
} from "../schema/config.ts";
import { SchemaError, type SchemaProblem } from "../schema/errors.ts";
import type { DetectionRule } from "../sigma/rule.ts";

/** How events are routed by their schema. Plain data, so that it can be sent to other threads. */
export interface SchemaRoutingSettings {
  /** A schema file and what is in it; without one there are the built-in schemas. */
  readonly file?: SchemaFile;
  /** Beats what the file says; `warn` if neither says anything. */
  readonly onUnknown?: UnknownPolicy;
  /** Deals out rules by product; see `SchemaRoutes.rulesFor`. Default `false`. */
  readonly partitionRules?: boolean;
}

/** A file that has been read. */
export interface SchemaFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads a schema file.
 *
 * @throws {SchemaError} `SCHEMA_IO`
 */
export function readSchemaFile(path: string): SchemaFile {
  try {
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new SchemaError("SCHEMA_IO", path, [{ line: undefined, message }], { cause });
  }
}

/**
 * What a schema file says.
 *
 * @throws {SchemaError} `SCHEMA_YAML`, `SCHEMA_INVALID`
 */
export function schemaConfig(file: SchemaFile | undefined): SchemaConfig {
  if (file === undefined) return NO_SCHEMA_CONFIG;
  return parseSchemaConfig(file.text, file.path, (source) => compileRegex(source, ""));
}

/**
 * How events are routed.
 *
 * @throws {SchemaError} Like `schemaConfig`; `SCHEMA_INVALID` also where pipelines are named, which
 *   this version does not have.
 */
export function schemaRoutes({ file, onUnknown }: SchemaRoutingSettings): SchemaRoutes {
  const config = schemaConfig(file);
  const { bindings, defaultPipelines } = config.routing;
  const problems: SchemaProblem[] = [];
  const refuse = (line: number | undefined, [pipeline]: readonly string[]): void => {
    if (pipeline !== undefined) problems.push({ line, message: pipelineProblem(pipeline) });
  };
  refuse(undefined, defaultPipelines);
  for (const { line, pipelines } of bindings) refuse(line, pipelines);
  if (problems.length > 0) throw new SchemaError("SCHEMA_INVALID", file?.path ?? "", problems);
  return new SchemaRoutes(config, onUnknown);
}

/** Why a pipeline cannot be used. */
export function pipelineProblem(pipeline: string): string {
  return `pipeline '${pipeline}': pipelines are not available in this version`;
}

/**
 * What evaluates events: an engine, or with `schema` one for each set of pipelines.
 *
 * @param rules Of the default set.
 * @param tally Counts on in this object.
 * @throws {SchemaError} Like `schemaRoutes`.
 */
export function openEvaluator(
  rules: readonly DetectionRule[],
  options: EngineOptions = {},
  schema?: SchemaRoutingSettings,
  tally?: RoutingTally,
): EventEvaluator {
  if (schema === undefined) return new RuleEngine(rules, options);
  const routes = schemaRoutes(schema);
  const sets = routes.sets.map((_, set) => {
    const numbers = schema.partitionRules ? routes.rulesFor(set, rules) : undefined;
    if (numbers === undefined) return { engine: new RuleEngine(rules, options) };
    return { engine: new RuleEngine(numbers.map((number) => rules[number]!), options), numbers };
  });
  return new SchemaRouter(routes, sets, options.logsource, tally);
}
