/**
 * What installing and controlling a service does to a system, as data: shown or done.
 */
import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { ServiceError } from "./errors.ts";

export type Step =
  /** Made if it is missing; one that is there stays as it is. */
  | {
    readonly kind: "directory";
    readonly path: string;
    readonly mode: number;
    readonly owner?: Owner;
  }
  | {
    readonly kind: "write";
    readonly path: string;
    readonly mode: number;
    readonly content: string;
  }
  /** Gives a file that is there to root and `group`. */
  | { readonly kind: "guard"; readonly path: string; readonly mode: number; readonly group: string }
  | { readonly kind: "remove"; readonly path: string }
  | Run;

export interface Run {
  readonly kind: "run";
  readonly argv: readonly [string, ...string[]];
  /** Goes on if it fails, saying so. */
  readonly optional?: true;
}

export interface Owner {
  readonly user: string;
  readonly group: string;
}

export function runStep(...argv: [string, ...string[]]): Run {
  return { kind: "run", argv };
}

/** How a program ended. */
export interface Ran {
  /** -1: it could not be started. */
  readonly code: number;
  readonly output: string;
}

const COMMAND_MS = 180_000;
const MAX_OUTPUT_BYTES = 1 << 20;

/** Runs a program without a shell. */
export function runProgram(
  argv: readonly [string, ...string[]],
  signal?: AbortSignal,
): Promise<Ran> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      {
        timeout: COMMAND_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
        windowsHide: true,
        ...(signal === undefined ? {} : { signal }),
      },
      (error, stdout, stderr) => {
        const output = `${stdout}${stderr}`.trim();
        if (error === null) resolve({ code: 0, output });
        else if (typeof error.code === "number") resolve({ code: error.code, output });
        else resolve({ code: -1, output: output || error.message });
      },
    );
  });
}

/** A step in words, with everything that would be written. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case "directory":
      return `create directory ${step.path} (mode ${octal(step.mode)}${
        step.owner === undefined ? "" : `, owner ${step.owner.user}:${step.owner.group}`
      }) unless it is there`;
    case "write":
      return `write ${step.path} (mode ${octal(step.mode)}):\n${
        step.content.trimEnd().split("\n").map((line) => `    ${line}`.trimEnd()).join("\n")
      }`;
    case "guard":
      return `give ${step.path} to root:${step.group} (mode ${octal(step.mode)})`;
    case "remove":
      return `remove ${step.path}`;
    case "run":
      return `run ${step.argv.map(shown).join(" ")}`;
  }
}

/**
 * Does the steps in their order.
 *
 * @param tell Told of what failed and does not matter.
 * @throws {ServiceError} `SERVICE_FAILED` names the step; those before it stay done.
 */
export async function applySteps(
  steps: readonly Step[],
  tell: (message: string) => void,
): Promise<void> {
  for (const step of steps) {
    try {
      await apply(step, tell);
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const [what] = describeStep(step).split("\n");
      throw new ServiceError("SERVICE_FAILED", `Cannot ${what!.replace(/:$/, "")}: ${reason}`, {
        cause: error,
      });
    }
  }
}

async function apply(step: Step, tell: (message: string) => void): Promise<void> {
  switch (step.kind) {
    case "directory": {
      if (existsSync(step.path)) return;
      mkdirSync(step.path, { recursive: true, mode: step.mode });
      if (step.owner === undefined || process.platform === "win32") return;
      chmodSync(step.path, step.mode);
      chownSync(step.path, idOf("passwd", step.owner.user), idOf("group", step.owner.group));
      return;
    }
    case "write": {
      // Never half a file under its name.
      const fresh = `${step.path}.new`;
      writeFileSync(fresh, step.content, { mode: step.mode });
      if (process.platform !== "win32") chmodSync(fresh, step.mode);
      renameSync(fresh, step.path);
      return;
    }
    case "guard":
      chownSync(step.path, 0, idOf("group", step.group));
      chmodSync(step.path, step.mode);
      return;
    case "remove":
      rmSync(step.path, { force: true });
      return;
    case "run": {
      const { code, output } = await runProgram(step.argv);
      if (code === 0) return;
      const message = `${step.argv.map(shown).join(" ")} failed (${code}): ${output}`;
      if (step.optional !== true) throw new ServiceError("SERVICE_FAILED", message);
      tell(message);
    }
  }
}

/** The number of a user or group of this machine. */
function idOf(file: "passwd" | "group", name: string): number {
  const line = readFileSync(`/etc/${file}`, "utf8").split("\n")
    .find((text) => text.startsWith(`${name}:`));
  const id = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isSafeInteger(id)) {
    throw new Error(`there is no ${file} ${name}`);
  }
  return id;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

/** An argument as people would type it. */
function shown(argument: string): string {
  return /^[\w./:@%+,=\\*()-]+$/.test(argument) ? argument : `'${argument}'`;
}
