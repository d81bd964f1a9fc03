/**
 * `journalctl` as a child process.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import process from "node:process";
import type { Readable } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import { SourceError } from "../../runtime/errors.ts";

/** How long it may take to end after it was asked to. */
const KILL_MS = 2000;
/** What is kept of what it says on standard error. */
const MAX_STDERR = 2000;

/**
 * What the program writes to standard output, block by block; it is not read faster than this is
 * pulled. It is ended on `break`, failure and abort.
 *
 * @param args Passed as they are, not through a shell.
 * @throws {SourceError} `SOURCE_CONFIG` if it cannot be started; `SOURCE_DENIED` or `SOURCE_IO` if it
 *   ends with an error, with what it said. Rejects with the reason of `signal`.
 */
export async function* runJournalctl(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  signal.throwIfAborted();
  const child = spawn(command, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // Its messages are read, so they must not be translated; our secrets are none of its business.
    env: { PATH: process.env.PATH, LC_ALL: "C" },
  });
  const closed = new Promise<Ending>((resolve) => {
    child.once("error", (cause) => resolve({ cause, code: null }));
    child.once("close", (code) => resolve({ cause: undefined, code }));
  });
  let hasExited = false;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      hasExited = true;
      resolve();
    });
  });
  let stderr = "";
  child.stderr.on("data", (block) => stderr = (stderr + String(block)).slice(-MAX_STDERR));
  const onAbort = () => {
    if (!hasExited) kill(child, "SIGTERM");
  };
  signal.addEventListener("abort", onAbort, { once: true });
  let broken: { readonly cause: unknown } | undefined;
  try {
    const blocks = child.stdout[Symbol.asyncIterator]();
    while (true) {
      let next: IteratorResult<unknown>;
      try {
        next = await blocks.next();
      } catch (cause) {
        // The pipe of a program that could not be started is closed too early.
        broken = { cause };
        break;
      }
      signal.throwIfAborted();
      if (next.done) break;
      yield next.value as Uint8Array;
    }
    const ending = await closed;
    signal.throwIfAborted();
    fail(command, ending, stderr.trim());
    if (broken !== undefined) {
      const message = `Cannot read the journal: the output of ${command} broke off`;
      throw new SourceError("SOURCE_IO", message, broken);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    if (child.pid !== undefined && !hasExited) await end(child, exited);
  }
}

interface Ending {
  readonly cause: Error | undefined;
  readonly code: number | null;
}

function fail(command: string, { cause, code }: Ending, stderr: string): void {
  if (cause !== undefined) {
    const hint = "is systemd installed? The setting `command` names the program";
    const message = `Cannot start ${command}: ${cause.message}; ${hint}`;
    throw new SourceError("SOURCE_CONFIG", message, { cause });
  }
  if (code === 0) return;
  const what = stderr === "" ? `it ended with status ${code}` : stderr;
  const isDenied = /permission/i.test(stderr);
  const message = `Cannot read the journal with ${command}: ${what}`;
  throw new SourceError(isDenied ? "SOURCE_DENIED" : "SOURCE_IO", message);
}

async function end(
  child: ChildProcessByStdio<null, Readable, Readable>,
  exited: Promise<void>,
): Promise<void> {
  child.stdout.destroy();
  child.stderr.destroy();
  kill(child, "SIGTERM");
  const timer = setTimeout(() => kill(child, "SIGKILL"), KILL_MS);
  await exited;
  clearTimeout(timer);
}

/** Not `child.kill`, which Deno lets work only once. */
function kill({ pid }: { readonly pid?: number | undefined }, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
