/**
 * What a command may do to the outside: data to stdout, talk to stderr, and an exit code.
 *
 * Commands take this as an argument, so tests run them without a process.
 */
import { writeSync } from "node:fs";
import process from "node:process";

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** Something was found and `--fail-on-detection` asked to say so. */
  findings: 1,
  /** Rules or the given event could not be used. */
  ruleError: 2,
  /** The command line or a setting is wrong. */
  usage: 3,
  /** Done, but some of the input could not be read. */
  incomplete: 4,
  interrupted: 130,
} as const;
export type ExitCode = typeof EXIT[keyof typeof EXIT];

export type ColorMode = "auto" | "always" | "never";

export interface CliIo {
  /** Writes data. Throws `OutputClosedError` when nobody reads it any more. */
  out(text: string): void;
  /** The same for UTF-8 that is already encoded; the caller may reuse `bytes` afterwards. */
  outBytes(bytes: Uint8Array): void;
  /** Writes a message, with a line end. */
  err(line: string): void;
  /** Writes to stderr as it stands, for progress lines. */
  errRaw(text: string): void;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Of the terminal, in characters. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** The reader of our output went away: `picket scan … | head`. Not an error of ours. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** The data could not be written, because a disk is full for instance. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/** Writes all of `text` to a file descriptor, waiting while a pipe is full. */
export function writeFully(descriptor: number, text: string): void {
  writeBytes(descriptor, new TextEncoder().encode(text));
}

/** Writes all of `bytes` to a file descriptor, waiting while a pipe is full. */
export function writeBytes(descriptor: number, bytes: Uint8Array): void {
  let from = 0;
  while (from < bytes.length) {
    try {
      from += writeSync(descriptor, bytes, from, bytes.length - from);
    } catch (error) {
      const code = (error as { readonly code?: string }).code;
      if (code === "EAGAIN") {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        continue;
      }
      if (code === "EPIPE" || code === "EOF") throw new OutputClosedError();
      throw new OutputError(
        `Cannot write output: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  }
}

/** The process's own streams. */
export function processIo(signal: AbortSignal): CliIo {
  return {
    out: (text) => writeFully(1, text),
    outBytes: (bytes) => writeBytes(1, bytes),
    err: (line) => writeQuietly(`${line}\n`),
    errRaw: writeQuietly,
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? process.stderr.columns ?? 120,
    env: process.env,
    signal,
  };
}

/** Messages that nobody can read are lost without harm. */
function writeQuietly(text: string): void {
  try {
    writeFully(2, text);
  } catch {
    // Nowhere left to say it.
  }
}

/** Whether to colour: a flag wins, then `NO_COLOR`, then whether stdout is a terminal. */
export function useColor(mode: ColorMode, io: CliIo): boolean {
  if (mode !== "auto") return mode === "always";
  return io.outIsTerminal && io.env["NO_COLOR"] === undefined && io.env["TERM"] !== "dumb";
}
