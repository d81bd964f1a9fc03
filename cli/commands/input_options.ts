/**
 * The options that say how lines are read, which `scan`, `eval` and `explain` share.
 *
 * @see inputs.md, sections 1 and 20.5
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { FilterError } from "../../src/decode/filter/errors.ts";
import type { EventFilter, FilterSettings } from "../../src/decode/filter/types.ts";
import { LINE_FORMATS, type LineFormat } from "../../src/decode/parse_line.ts";
import { type Field, internField } from "../../src/event/field.ts";
import { parseTimeZone, type TimeZone, TimeZoneError } from "../../src/event/zone.ts";
import type { InputOptions } from "../../src/runtime/input_events.ts";
import { collect, UsageError } from "./common.ts";

/** What is typed. */
export interface InputFlags {
  readonly inputFormat: LineFormat;
  readonly syslogTz?: TimeZone;
  readonly syslogStripBom: boolean;
  readonly jq?: string;
  readonly jsonpath?: string;
  readonly timestampField: readonly string[];
}

/** The same as data that can be sent to threads. */
export interface InputSettings {
  readonly format: LineFormat;
  readonly syslogZone?: TimeZone;
  readonly stripBom: boolean;
  readonly filter?: FilterSettings;
  /** Tried before the built-in ones. */
  readonly timestampFields: readonly string[];
}

/** What lines are read with. */
export interface InputReading {
  /** Without `nowMs` and what depends on the input's form. */
  readonly options: InputOptions;
  /** Where the time of an event is looked for, before the built-in fields. */
  readonly timeFields: readonly Field[];
}

/** Adds the options of `InputFlags`. */
export function addInputOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--input-format <format>", "how lines are written")
        .choices(LINE_FORMATS).default("auto"),
    )
    .option(
      "--syslog-tz <zone>",
      "of syslog times without a zone: +HH:MM, UTC, Europe/Berlin",
      zone,
    )
    .addOption(
      new Option("--syslog-strip-bom <bool>", "take byte order marks off syslog messages")
        .argParser(truth).default(true),
    )
    .option("--jq <expression>", "events are what this jq expression makes of each line's event")
    .option("--jsonpath <expression>", "the same with a JSONPath query (RFC 9535)")
    .option(
      "--timestamp-field <field>",
      "field with the time of an event, before the usual ones; repeat for more",
      collect,
      [],
    );
}

function zone(text: string): TimeZone {
  try {
    return parseTimeZone(text);
  } catch (error) {
    if (!(error instanceof TimeZoneError)) throw error;
    throw new InvalidArgumentError(error.message);
  }
}

function truth(text: string): boolean {
  if (/^(?:true|yes|on|1)$/i.test(text)) return true;
  if (/^(?:false|no|off|0)$/i.test(text)) return false;
  throw new InvalidArgumentError("give true or false");
}

/**
 * Checks what was typed.
 *
 * @throws {UsageError} If two filters are given, or one that cannot be compiled.
 */
export async function inputSettings(flags: InputFlags): Promise<InputSettings> {
  const { jq, jsonpath, syslogTz } = flags;
  if (jq !== undefined && jsonpath !== undefined) {
    throw new UsageError("--jq and --jsonpath cannot be used together");
  }
  const filter: FilterSettings | undefined = jq !== undefined
    ? { kind: "jq", expression: jq }
    : jsonpath !== undefined
    ? { kind: "jsonpath", expression: jsonpath }
    : undefined;
  const settings: InputSettings = {
    format: flags.inputFormat,
    stripBom: flags.syslogStripBom,
    timestampFields: flags.timestampField,
    ...(syslogTz === undefined ? {} : { syslogZone: syslogTz }),
    ...(filter === undefined ? {} : { filter }),
  };
  await inputReading(settings);
  return settings;
}

/**
 * Compiles what the settings name.
 *
 * @throws {UsageError} If the filter cannot be compiled.
 */
export async function inputReading(settings: InputSettings): Promise<InputReading> {
  const { format, filter, stripBom, syslogZone } = settings;
  return {
    options: {
      format,
      syslogStripBom: stripBom,
      ...(syslogZone === undefined ? {} : { syslogZone }),
      ...(filter === undefined ? {} : { filter: await eventFilter(filter) }),
    },
    timeFields: settings.timestampFields.map(internField),
  };
}

/** The code of filters is only read by those who filter: it is a tenth of a start. */
async function eventFilter(settings: FilterSettings): Promise<EventFilter> {
  const { compileFilter } = await import("../../src/decode/filter/compile.ts");
  try {
    return compileFilter(settings);
  } catch (error) {
    if (error instanceof FilterError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}
