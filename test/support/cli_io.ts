/** A command line without a process: what it wrote, and where to put its files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CliIo, ExitCode } from "../../cli/io.ts";
import { runWith } from "../../cli/program.ts";

export interface CliRun {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

export class FakeIo implements CliIo {
  readonly outIsTerminal: boolean;
  readonly errIsTerminal = false;
  readonly columns = 120;
  readonly env = {};
  readonly signal = new AbortController().signal;
  /** Each write to stdout by itself. */
  readonly writes: string[] = [];
  #err = "";

  constructor(outIsTerminal = false) {
    this.outIsTerminal = outIsTerminal;
  }

  get text(): string {
    return this.writes.join("");
  }

  get errText(): string {
    return this.#err;
  }

  out(text: string): void {
    this.writes.push(text);
  }

  outBytes(bytes: Uint8Array): void {
    this.writes.push(new TextDecoder().decode(bytes));
  }

  err(line: string): void {
    this.#err += `${line}\n`;
  }

  errRaw(text: string): void {
    this.#err += text;
  }
}

/** Runs `picket` with `args`. */
export async function picket(args: readonly string[], io = new FakeIo()): Promise<CliRun> {
  const code = await runWith(args, io);
  return { code, out: io.text, err: io.errText };
}

/** A directory with these files; deleted when disposed of. */
export class TempFiles implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "picket-test-"));

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), content);
    }
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
