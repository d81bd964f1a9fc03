/**
 * The options about schemas, logsources and fields that commands which evaluate events share.
 *
 * @see inputs.md, sections 1 and 13 to 17
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { writeFileSync } from "node:fs";
import type { LogsourceFields, StaticLogsource } from "../../src/engine/logsource.ts";
import { mergeLogsources } from "../../src/engine/schema_router.ts";
import { prettyJsonText } from "../../src/event/json_text.ts";
import { fieldReport, ruleFieldTable } from "../../src/runtime/field_report.ts";
import {
  readSchemaFile,
  schemaRoutes,
  type SchemaRoutingSettings,
} from "../../src/runtime/schema_routing.ts";
import { UNKNOWN_POLICIES, type UnknownPolicy } from "../../src/schema/config.ts";
import { SchemaError } from "../../src/schema/errors.ts";
import {
  DEFAULT_MAX_FIELDS,
  type FieldCounts,
  FieldObserver,
} from "../../src/schema/field_observer.ts";
import type { RuleCollection } from "../../src/sigma/rule.ts";
import { type CliIo, OutputError } from "../io.ts";
import { checkWritable } from "../output.ts";
import { UsageError } from "./common.ts";

/** What is typed. */
export interface SchemaFlags {
  readonly schemaRouting: boolean;
  readonly schemaConfig?: string;
  readonly onUnknown?: UnknownPolicy;
  readonly schemaPartitionRules: boolean;
  readonly observeFields: boolean;
  readonly observeFieldsMaxKeys?: number;
  readonly observeFieldsReport?: string;
  readonly logsourceFieldMap?: LogsourceFields;
  readonly eventLogsource?: StaticLogsource;
}

/** Adds the options of `SchemaFlags`. */
export function addSchemaOptions(command: Command): Command {
  return command
    .option("--schema-routing", "classify each event and evaluate it as its schema says", false)
    .option("--schema-config <file>", "schemas and bindings of your own (implies --schema-routing)")
    .addOption(
      new Option("--on-unknown <policy>", "what becomes of events of no schema; default: warn")
        .choices(UNKNOWN_POLICIES),
    )
    .option("--schema-partition-rules", "leave out rules for products a schema is not of", false)
    .option(
      "--logsource-field-map <key=field,...>",
      "fields in which events tell their logsource",
      logsourceKeys,
    )
    .option(
      "--event-logsource <key=value,...>",
      "logsource of events that do not tell it; also custom.<name>=…",
      eventLogsource,
    )
    .option("--observe-fields", "report which fields events have and rules ask for", false)
    .option(
      "--observe-fields-max-keys <n>",
      `distinct fields to count (default: ${DEFAULT_MAX_FIELDS})`,
      maxKeys,
    )
    .option("--observe-fields-report <file>", "where that report goes; default: stderr");
}

/**
 * How events are to be routed, as data that can be sent to threads; `undefined` if not at all. The
 * schema file is read and checked.
 *
 * @returns `warnings` for stderr.
 * @throws {UsageError} For a file that cannot be used, and for options that need another.
 */
export function schemaRouting(
  options: SchemaFlags,
): { readonly schema: SchemaRoutingSettings | undefined; readonly warnings: readonly string[] } {
  const { schemaConfig: path, onUnknown, schemaPartitionRules: partitionRules } = options;
  if (!options.schemaRouting && path === undefined) {
    if (onUnknown !== undefined) throw new UsageError("--on-unknown needs --schema-routing");
    if (partitionRules) throw new UsageError("--schema-partition-rules needs --schema-routing");
    return { schema: undefined, warnings: [] };
  }
  try {
    const schema: SchemaRoutingSettings = {
      partitionRules,
      ...(path === undefined ? {} : { file: readSchemaFile(path) }),
      ...(onUnknown === undefined ? {} : { onUnknown }),
    };
    const routes = schemaRoutes(schema);
    const warnings = routes.hasBindings ? [] : [
      "Schema routing: no schema is bound, so all events meet the same rules; " +
      "schemas still tell the logsource",
    ];
    return { schema, warnings };
  } catch (error) {
    if (error instanceof SchemaError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** What is known of the logsource of events, for `EngineOptions`. */
export function logsourceOptions(
  options: SchemaFlags & { readonly logsource?: StaticLogsource },
): { readonly logsource: StaticLogsource; readonly logsourceFields?: LogsourceFields } {
  const { logsource = {}, eventLogsource: own = {}, logsourceFieldMap: fields } = options;
  return {
    logsource: mergeLogsources(logsource, own),
    ...(fields === undefined ? {} : { logsourceFields: fields }),
  };
}

/**
 * Counts fields, if that is asked for. A report file that cannot be written is known before the work
 * begins.
 *
 * @throws {UsageError} For options that need `--observe-fields`.
 */
export function fieldObserver(options: SchemaFlags): FieldObserver | undefined {
  const { observeFields, observeFieldsMaxKeys, observeFieldsReport } = options;
  if (!observeFields) {
    if (observeFieldsReport !== undefined) {
      throw new UsageError("--observe-fields-report needs --observe-fields");
    }
    if (observeFieldsMaxKeys !== undefined) {
      throw new UsageError("--observe-fields-max-keys needs --observe-fields");
    }
    return undefined;
  }
  if (observeFieldsReport !== undefined) {
    checkWritable("--observe-fields-report", observeFieldsReport);
  }
  return new FieldObserver(observeFieldsMaxKeys ?? DEFAULT_MAX_FIELDS);
}

/**
 * Writes the report of `--observe-fields` to its file, or to stderr.
 *
 * @param rules Those that events were evaluated against.
 * @throws {OutputError} If the file cannot be written.
 */
export function writeFieldReport(
  options: SchemaFlags,
  observed: FieldCounts,
  rules: Pick<RuleCollection, "rules" | "correlations" | "filters">,
  seconds: number,
  io: Pick<CliIo, "errRaw">,
): void {
  const text = `${
    prettyJsonText(fieldReport(observed, ruleFieldTable(rules), Number(seconds.toFixed(3))))
  }\n`;
  const path = options.observeFieldsReport;
  if (path === undefined) {
    io.errRaw(text);
    return;
  }
  try {
    writeFileSync(path, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OutputError(`Cannot write --observe-fields-report ${path}: ${reason}`, {
      cause: error,
    });
  }
}

/** The value of `--event-logsource`. Names are compared in lower case. */
export function eventLogsource(text: string): StaticLogsource {
  const { custom, ...plain } = logsourceKeys(text);
  const lower = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, value.toLowerCase()]),
    );
  return { ...lower(plain), ...(custom === undefined ? {} : { custom: lower(custom) }) };
}

/**
 * `product=a,service=b,category=c,custom.name=d`; blank values are ignored.
 *
 * @see inputs.md, section 15
 */
export function logsourceKeys(text: string): LogsourceFields {
  const told: { product?: string; service?: string; category?: string } = {};
  const custom: Record<string, string> = {};
  for (const part of text.split(",").map((one) => one.trim()).filter((one) => one !== "")) {
    const at = part.indexOf("=");
    if (at < 0) throw new InvalidArgumentError(`expected key=value, got '${part}'`);
    const key = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    if (key.startsWith("custom.") && key.length > "custom.".length) {
      if (value !== "") custom[key.slice("custom.".length)] = value;
    } else if (key === "product" || key === "service" || key === "category") {
      if (value !== "") told[key] = value;
    } else {
      throw new InvalidArgumentError(
        `unknown logsource key '${key}' (expected product, service, category, or custom.<name>)`,
      );
    }
  }
  return Object.keys(custom).length === 0 ? told : { ...told, custom };
}

function maxKeys(text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new InvalidArgumentError("give a whole number from 1");
  return Number(text);
}
