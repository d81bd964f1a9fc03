/**
 * Runs the built executable as a user would, with a deadline and a look at its memory.
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const BUILT = process.platform === "win32" ? "../../dist/picket.exe" : "../../dist/picket";

/** The executable under test: `PICKET_EXECUTABLE`, or what `compile.sh` has built. */
export const PICKET: string = process.env["PICKET_EXECUTABLE"] ??
  fileURLToPath(new URL(BUILT, import.meta.url));

export const FIXTURES: string = fileURLToPath(new URL("../../fixtures", import.meta.url));

/** For a test's options: skips it, saying why, where nothing has been built. */
export function skipWithoutExecutable(): { readonly skip: string | false } {
  if (existsSync(PICKET)) return { skip: false };
  const reason = "skipped: dist/picket is absent; bash compile.sh builds it";
  console.log(reason);
  return { skip: reason };
}

export interface RunOptions {
  readonly cwd?: string;
  /** All of the environment; by default that of the test, without what changes output. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed; `"open"` leaves it open and silent. */
  readonly stdin?: Uint8Array | "open";
  readonly timeoutMs?: number;
  /** Another program that starts Picket: `setpriv`, `script`. */
  readonly wrapper?: readonly string[];
  /** Called when the process has started and when something has come on stderr. */
  readonly onStderr?: (text: string, child: ChildProcess) => void;
  /** Closes stdout when its first bytes have come. */
  readonly closeStdoutEarly?: boolean;
}

export interface Ran {
  /** `undefined` if a signal ended the process. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** The most that was seen in memory, in bytes; 0 where the system does not tell. */
  readonly peakBytes: number;
}

/** Runs the executable; fails if it takes longer than `timeoutMs`. */
export function picket(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return run([...options.wrapper ?? [], PICKET, ...args], options);
}

/** Runs any command line as `picket` runs the executable. */
export function run(
  command: readonly string[],
  options: Omit<RunOptions, "wrapper"> = {},
): Promise<Ran> {
  const { timeoutMs = 60_000, stdin } = options;
  const [program, ...rest] = command;
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program!, rest, {
      stdio: "pipe",
      env: options.env === undefined ? plainEnvironment() : { ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const out: Uint8Array[] = [];
    let stderr = "";
    let peakBytes = 0;
    let expired = false;
    const sampler = setInterval(() => {
      peakBytes = Math.max(peakBytes, highWater(child.pid));
    }, 10);
    const deadline = setTimeout(() => {
      expired = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdin.on("error", () => {}); // The process may end before it has read everything.
    if (stdin instanceof Uint8Array) child.stdin.end(stdin);
    else if (stdin === undefined) child.stdin.end();
    child.stdout.on("data", (block: Uint8Array) => {
      out.push(block);
      if (options.closeStdoutEarly === true) child.stdout.destroy();
    });
    child.stderr.on("data", (block: Buffer) => {
      stderr += block.toString("utf8");
      options.onStderr?.(stderr, child);
    });
    const stop = (): void => {
      clearInterval(sampler);
      clearTimeout(deadline);
      child.stdin.destroy();
    };
    child.on("error", (error) => {
      stop();
      reject(error);
    });
    child.on("close", (code) => {
      stop();
      if (expired) {
        reject(new Error(`${command.join(" ")} took over ${timeoutMs} ms; stderr: ${stderr}`));
        return;
      }
      resolve({
        code: code ?? undefined,
        stdout: Buffer.concat(out).toString("utf8"),
        stderr,
        seconds: (performance.now() - startedAt) / 1000,
        peakBytes,
      });
    });
  });
}

/** What changes output is taken out: colours, progress lines, other rules. */
function plainEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(?:NO_COLOR|CI|COLUMNS|PICKET_.*)$/.test(name)) {
      environment[name] = value;
    }
  }
  return environment;
}

function highWater(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // It has ended, or this system has no /proc.
  }
}

/** A hit as NDJSON has it. */
export interface HitLine {
  readonly rule_title: string;
  readonly rule_id: string;
  readonly level: string;
  readonly event?: Readonly<Record<string, unknown>>;
  readonly matched_fields: readonly {
    readonly field: string;
    readonly value: unknown;
  }[];
  readonly source: {
    readonly path: string;
    readonly record_id: number | null;
    readonly channel: string | null;
    readonly computer: string | null;
    readonly timestamp: string | null;
  };
}

/** The hits of NDJSON output. */
export function hitsOf(ndjson: string): HitLine[] {
  return ndjson.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HitLine);
}

/** A directory that is deleted in the end. */
export interface Scratch extends Disposable {
  readonly path: string;
  file(name: string): string;
}

export function scratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), "picket-test-"));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
