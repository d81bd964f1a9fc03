/**
 * `picket evtx dump | info`: what is in an EVTX file, without rules.
 */
import { Command, Option } from "commander";
import { ByteBuffer } from "../../src/decode/evtx/byte_buffer.ts";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import type { EvtxProblem } from "../../src/decode/evtx/errors.ts";
import { EvtxError } from "../../src/decode/evtx/errors.ts";
import type { EvtxEvent } from "../../src/decode/evtx/event.ts";
import { JsonTextWriter } from "../../src/decode/evtx/json_text.ts";
import { toXml } from "../../src/decode/evtx/xml.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import { readPackedBlocks } from "../../src/ingest/blocks.ts";
import type { Packing } from "../../src/ingest/tail/rotated.ts";
import { EvtxFileReader, readEvtxStream } from "../../src/ingest/evtx_file.ts";
import { type EvtxInfo, readEvtxInfo } from "../../src/ingest/evtx_info.ts";
import { checkIntegrity, type IntegrityReport } from "../../src/ingest/evtx_integrity.ts";
import { type CliIo, EXIT, type ExitCode, useColor, writeBytes } from "../io.ts";
import { integrityLines, integrityValue } from "../render/integrity.ts";
import { bytes, count, type Paint, painter, plural, safeText } from "../render/text.ts";
import { openOutput } from "../output.ts";
import { findInputs } from "../scan/inputs.ts";
import type { InputFile } from "../scan/types.ts";
import { addTalkOptions, type TalkOptions } from "./common.ts";

type DumpFormat = "json" | "ndjson" | "xml";

interface DumpOptions extends TalkOptions {
  readonly outputFormat?: DumpFormat;
  readonly output?: string;
  readonly recover: boolean;
}

interface InfoOptions extends TalkOptions {
  readonly outputFormat: "table" | "json";
  readonly integrity: boolean;
}

export function evtxCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("evtx").summary("look into EVTX files without rules");
  group.addCommand(
    addTalkOptions(
      new Command("dump")
        .summary("print every record as JSON or XML")
        .argument("<path...>", "EVTX files, directories or patterns")
        .addOption(
          new Option("--output-format <format>", "default: json on a terminal, else ndjson")
            .choices(["json", "ndjson", "xml"]),
        )
        .option("-o, --output <file>", "write to a file")
        .option("--recover", "also what slack space and chunks without signature hold", false),
    ).addHelpText(
      "after",
      "\nExample:\n  picket evtx dump Security.evtx --output-format ndjson | jq .",
    )
      .action(async (paths: string[], options: DumpOptions) =>
        exit(await runDump(paths, options, io))
      ),
  );
  group.addCommand(
    addTalkOptions(
      new Command("info")
        .summary("header, chunks, record and time range, damage")
        .argument("<path...>", "EVTX files, directories or patterns")
        .addOption(
          new Option("--output-format <format>").choices(["table", "json"]).default("table"),
        )
        .option(
          "--integrity",
          "look for signs of tampering: gaps, times, checksums, hidden records",
          false,
        ),
    ).addHelpText("after", "\nExample:\n  picket evtx info Security.evtx --integrity")
      .action(async (paths: string[], options: InfoOptions) =>
        exit(await runInfo(paths, options, io))
      ),
  );
  return group;
}

/** The EVTX files below `paths`; what cannot be read is reported. */
async function evtxFiles(
  paths: readonly string[],
  io: CliIo,
): Promise<
  { readonly files: readonly InputFile[]; readonly failed: boolean }
> {
  const { files, problems } = await findInputs(paths);
  for (const { path, message } of problems) {
    io.err(`Cannot read ${safeText(path)}: ${safeText(message)}`);
  }
  const evtx = files.filter(({ kind }) => kind === "evtx");
  // A file that is named must be one; below a directory others are simply not meant.
  const wrong = files.filter(({ kind, path }) => kind !== "evtx" && paths.includes(path));
  for (const { path } of wrong) io.err(`Cannot read ${safeText(path)}: not an EVTX file`);
  const none = evtx.length === 0 && wrong.length === 0 && problems.length === 0;
  if (none) io.err("No EVTX file was found");
  return { files: evtx, failed: problems.length > 0 || wrong.length > 0 || none };
}

/** Written in pieces of this many bytes. */
const WRITE_BYTES = 256 << 10;

/** One record a line, or pretty JSON, or one XML element after another; damage goes to stderr. */
export async function runDump(
  paths: readonly string[],
  options: DumpOptions,
  io: CliIo,
): Promise<ExitCode> {
  const found = await evtxFiles(paths, io);
  const format = options.outputFormat ??
    (io.outIsTerminal && options.output === undefined ? "json" : "ndjson");
  using file = openOutput(options.output);
  const { descriptor } = file;
  const write = descriptor === undefined
    ? (piece: Uint8Array) => io.outBytes(piece)
    : (piece: Uint8Array) => writeBytes(descriptor, piece);
  const out = new ByteBuffer();
  const flush = (): void => {
    if (out.length > 0) write(out.written());
    out.clear();
  };
  let failed = found.failed;
  for (const { path, packing } of found.files) {
    const onProblem = ({ message }: EvtxProblem): void =>
      io.err(`${safeText(path)}: ${safeText(message)}`);
    try {
      await dumpFile(path, packing, format, options.recover, out, flush, onProblem, io.signal);
    } catch (error) {
      if (!(error instanceof EvtxError)) throw error;
      io.err(`${safeText(path)}: ${safeText(error.message)}`);
      failed = true;
    }
    if (io.signal.aborted) break;
  }
  flush();
  if (io.signal.aborted) return EXIT.interrupted;
  return failed ? EXIT.incomplete : EXIT.ok;
}

const NEW_LINE = 10;
/** Chunks between two looks at Ctrl-C. */
const CHUNKS_PER_STEP = 64;

async function dumpFile(
  path: string,
  packing: Packing | undefined,
  format: DumpFormat,
  recover: boolean,
  out: ByteBuffer,
  flush: () => void,
  onProblem: (problem: EvtxProblem) => void,
  signal: AbortSignal,
): Promise<void> {
  const decoder = new EvtxDecoder();
  const json = new JsonTextWriter();
  const onEvent = (event: EvtxEvent): void => {
    if (format === "ndjson") json.append(event, out);
    else out.text(format === "xml" ? toXml(event) : prettyJsonText(event.toValue()));
    out.reserve(1);
    out.bytes[out.length++] = NEW_LINE;
    if (out.length > WRITE_BYTES) flush();
  };
  if (packing !== undefined) {
    const blocks = readPackedBlocks(path, packing, () => {}, signal);
    await readEvtxStream(blocks, decoder, onEvent, onProblem, { recover });
    return;
  }
  using reader = EvtxFileReader.open(path);
  for (let chunk = 0; chunk < reader.chunkCount; chunk += CHUNKS_PER_STEP) {
    reader.readChunks(chunk, chunk + CHUNKS_PER_STEP, decoder, onEvent, onProblem, { recover });
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal.aborted) return;
  }
}

export async function runInfo(
  paths: readonly string[],
  options: InfoOptions,
  io: CliIo,
): Promise<ExitCode> {
  const found = await evtxFiles(paths, io);
  const paint = painter(useColor(options.color, io));
  let failed = found.failed;
  for (const { path, packing } of found.files) {
    if (packing !== undefined) {
      io.err(`${safeText(path)}: packed; unpack it to see its chunks`);
      failed = true;
      continue;
    }
    try {
      const info = readEvtxInfo(path);
      const integrity = options.integrity ? checkIntegrity(path) : undefined;
      if (options.outputFormat === "json") io.out(infoJson(info, integrity));
      else {
        for (const line of infoLines(info, paint)) io.out(`${line}\n`);
        for (const line of integrity === undefined ? [] : integrityLines(integrity, paint)) {
          io.out(`${line}\n`);
        }
        io.out("\n");
      }
    } catch (error) {
      if (!(error instanceof EvtxError)) throw error;
      io.err(`${safeText(path)}: ${safeText(error.message)}`);
      failed = true;
    }
  }
  return failed ? EXIT.incomplete : EXIT.ok;
}

function infoJson(info: EvtxInfo, integrity: IntegrityReport | undefined): string {
  return `${
    jsonText({
      ...info,
      channels: Object.fromEntries(info.channels),
      problems: Object.fromEntries(info.problems),
      ...(integrity === undefined ? {} : { integrity: integrityValue(integrity) }),
    })
  }\n`;
}

function infoLines(info: EvtxInfo, paint: Paint): string[] {
  const { header, chunks } = info;
  const used = chunks.filter(({ state }) => state === "used").length;
  const foreign = chunks.filter(({ state }) => state === "foreign").length;
  const badSums =
    chunks.filter((chunk) =>
      chunk.state === "used" && !(chunk.headerChecksumValid && chunk.dataChecksumValid)
    ).length;
  const row = (name: string, text: string): string => `  ${name.padEnd(10)}${text}`;
  const lines = [
    paint(safeText(info.path), "bold"),
    row(
      "Size",
      `${bytes(info.size)}, format ${header.majorVersion}.${header.minorVersion}` +
        `${header.dirty ? ", dirty" : ""}${header.full ? ", full" : ""}`,
    ),
    row(
      "Chunks",
      `${used} used of ${chunks.length}, ${header.chunkCount} by the header` +
        (foreign === 0 ? "" : paint(`, ${foreign} foreign`, "yellow")) +
        (badSums === 0 ? "" : paint(`, ${badSums} with a wrong checksum`, "yellow")),
    ),
    row(
      "Records",
      `${count(info.records)}` +
        (info.recordIds === undefined
          ? ""
          : `, ids ${info.recordIds.first} to ${info.recordIds.last}, next by the header ` +
            `${header.nextRecordId}`),
    ),
    row(
      "Time",
      info.timeMs === undefined
        ? "-"
        : `${new Date(info.timeMs.first).toISOString()} to ${
          new Date(info.timeMs.last).toISOString()
        }`,
    ),
  ];
  for (const [channel, records] of info.channels) {
    lines.push(
      row(
        "Channel",
        `${safeText(channel === "" ? "(none)" : channel)}: ${plural(records, "record")}`,
      ),
    );
  }
  const problems = [...info.problems].map(([reason, times]) => `${times} × ${reason}`);
  if (info.sizeCopyMismatches > 0) problems.push(`${info.sizeCopyMismatches} × size_copy`);
  lines.push(row("Damage", problems.length === 0 ? "none" : paint(problems.join(", "), "yellow")));
  return lines;
}
