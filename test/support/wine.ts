/**
 * Windows as far as Wine has it: a prefix of its own with the Windows executable in it.
 *
 * Wine 8 lacks `bcryptprimitives.dll`, which Bun asks for random numbers, so a stand-in is built.
 * A Wine server stays up between commands, since services end with the last one otherwise.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMPILER = "x86_64-w64-mingw32-gcc";
const COMMAND_MS = 60_000;
const BUILD_MS = 240_000;

/** `ProcessPrng` over the older function that Wine 8 has. */
const RANDOM_C = `
#include <windows.h>
#include <ntsecapi.h>
BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, (ULONG)size); }
`;

/** Sends a control code to a service, which Wine's sc cannot. */
const CONTROL_C = `
#include <windows.h>
#include <stdio.h>
int wmain(int count, wchar_t **words) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
  SC_HANDLE service = OpenServiceW(manager, words[1], SERVICE_ALL_ACCESS);
  SERVICE_STATUS status;
  if (!service) { printf("open: %lu\\n", GetLastError()); return 1; }
  if (!ControlService(service, _wtoi(words[2]), &status)) {
    printf("control: %lu\\n", GetLastError());
    return 2;
  }
  printf("state %lu\\n", status.dwCurrentState);
  return 0;
}
`;

function missing(): string | false {
  if (process.platform !== "linux") return "Wine is used on Linux only";
  for (const [program, from] of [["wine", "wine"], [COMPILER, "gcc-mingw-w64-x86-64"]] as const) {
    if (spawnSync(program, ["--version"], { stdio: "ignore" }).error !== undefined) {
      return `${program} is not installed (Debian: apt-get install ${from})`;
    }
  }
  return false;
}

/** For a test's `skip`. */
export const WINE_SKIP: string | false = missing();
if (WINE_SKIP !== false) console.log(`skipped: ${WINE_SKIP}`);

/**
 * The executable for Windows: `PICKET_WINDOWS_EXECUTABLE`, or built now into `directory`.
 *
 * @returns Its path, or why there is none: the package with Bun for Windows cannot be had.
 */
export function windowsExecutable(
  directory: string,
): { readonly path: string } | { readonly reason: string } {
  const given = process.env["PICKET_WINDOWS_EXECUTABLE"];
  if (given !== undefined) return { path: given };
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["compile.sh", "--target", "windows-x64", "--out", directory],
    { cwd: ROOT, encoding: "utf8", timeout: BUILD_MS },
  );
  if (status === 0) return { path: join(directory, "picket-windows-x64.exe") };
  // It ended between the two, and npm has been told to be silent.
  if (/^Fetching the runtime/m.test(stdout) && !/^Compiling/m.test(stdout)) {
    return { reason: "npm cannot get @oven/bun-windows-x64" };
  }
  throw new Error(`compile.sh failed: ${stderr}`);
}

export interface WineRan {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Windows of its own. */
export class Wine implements AsyncDisposable {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;

  private constructor(directory: string) {
    this.directory = directory;
    const { DISPLAY: _none, ...env } = process.env as Record<string, string>;
    this.env = { ...env, WINEPREFIX: join(directory, "prefix"), WINEDEBUG: "-all", NO_COLOR: "1" };
  }

  /** Makes a prefix; the server of another one is never touched. */
  static async create(): Promise<Wine> {
    const wine = new Wine(mkdtempSync(join(tmpdir(), "picket-wine-")));
    try {
      const steps = [
        ["wineboot", "-i"],
        // The server that made the prefix has to end: one that runs does not become persistent,
        // and one that was made persistent before ends up with two service managers.
        ["wineserver", "-w"],
        ["wineserver", "-p"],
      ] as const;
      for (const [program, option] of steps) {
        execFileSync(program, [option], { env: wine.env, stdio: "ignore", timeout: COMMAND_MS });
      }
      wine.#build("random.c", RANDOM_C, [
        ...["-shared", "-o", wine.host("C:\\windows\\system32\\bcryptprimitives.dll")],
        "-ladvapi32",
      ]);
      wine.#build("control.c", CONTROL_C, [
        ...["-municode", "-o", wine.host("C:\\control.exe")],
        "-ladvapi32",
      ]);
      return wine;
    } catch (error) {
      await wine[Symbol.asyncDispose]();
      throw error;
    }
  }

  #build(name: string, source: string, options: readonly string[]): void {
    const path = join(this.directory, name);
    writeFileSync(path, source);
    execFileSync(COMPILER, [path, "-O2", "-s", ...options], { stdio: "pipe", timeout: COMMAND_MS });
  }

  /** Where a file of drive C is for us. */
  host(path: string): string {
    return join(this.env["WINEPREFIX"]!, "drive_c", ...path.replace(/^C:\\/, "").split("\\"));
  }

  write(path: string, content: string): void {
    const host = this.host(path);
    mkdirSync(join(host, ".."), { recursive: true });
    writeFileSync(host, content);
  }

  copy(from: string, to: string): void {
    mkdirSync(join(this.host(to), ".."), { recursive: true });
    cpSync(from, this.host(to), { recursive: true });
  }

  /** Runs a Windows program to its end. */
  run(argv: readonly string[], timeoutMs = COMMAND_MS): Promise<WineRan> {
    const child = spawn("wine", argv, { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      // A service that was started keeps our pipes open, so not `close`.
      child.once("exit", (code) => {
        clearTimeout(timer);
        setTimeout(() => {
          child.stdout.destroy();
          child.stderr.destroy();
          resolve({ code, stdout: stdout.replaceAll("\r\n", "\n"), stderr });
        }, 50);
      });
    });
  }

  /** Whether a file of drive C is there. */
  has(path: string): boolean {
    return existsSync(this.host(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    spawnSync("wineserver", ["-k"], { env: this.env, stdio: "ignore", timeout: COMMAND_MS });
    await new Promise((resolve) => setTimeout(resolve, 200));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
