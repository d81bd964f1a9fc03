/**
 * The examples of a Markdown page: programs with the output they promise, and the files they read.
 *
 * A fence says what it is behind its language:
 * - `ts run`: a program; the `text` fence behind it is what it prints. `stdin=NAME` feeds it a file.
 * - `ts`: a program that is only checked for its types.
 * - `… file=NAME`: a file of every program behind it.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface DocExample {
  /** The heading it stands under. */
  readonly title: string;
  /** Of its first line in the page. */
  readonly line: number;
  readonly code: string;
  /** What it prints; `undefined` for one that is not run. */
  readonly output: string | undefined;
  /** The name of the file that is its standard input. */
  readonly stdin: string | undefined;
  readonly files: ReadonlyMap<string, string>;
}

interface Fence {
  readonly info: readonly string[];
  readonly line: number;
  readonly title: string;
  readonly body: string;
}

/** @throws {Error} If a program that is run has no output behind it. */
export function docExamples(markdown: string): DocExample[] {
  const fences = fencesOf(markdown);
  const files = new Map<string, string>();
  const examples: DocExample[] = [];
  for (const [index, { info, line, title, body }] of fences.entries()) {
    const [language, ...words] = info;
    const file = valueOf(words, "file");
    if (file !== undefined) files.set(file, body);
    if (language !== "ts") continue;
    const next = fences[index + 1];
    const isRun = words.includes("run");
    if (isRun && next?.info[0] !== "text") throw new Error(`Line ${line}: no output behind it`);
    examples.push({
      title,
      line,
      code: body,
      output: isRun ? next!.body : undefined,
      stdin: valueOf(words, "stdin"),
      files: new Map(files),
    });
  }
  return examples;
}

function valueOf(words: readonly string[], name: string): string | undefined {
  return words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

function fencesOf(markdown: string): Fence[] {
  const fences: Fence[] = [];
  let title = "";
  let open: { info: string[]; line: number; lines: string[] } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    if (!text.startsWith("```")) {
      if (open !== undefined) open.lines.push(text);
      else if (text.startsWith("## ")) title = text.slice(3);
    } else if (open === undefined) {
      open = { info: text.slice(3).split(" "), line: index + 2, lines: [] };
    } else {
      const { info, line, lines } = open;
      fences.push({ info, line, title, body: lines.map((one) => `${one}\n`).join("") });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`Line ${open.line}: the fence is not closed`);
  return fences;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A project of its own that depends on Picket as `npm install PATH` leaves it: by a link. */
export class Project implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "picket-library-"));

  constructor(files: ReadonlyMap<string, string> = new Map()) {
    this.write("package.json", '{"type":"module","dependencies":{"picket":"file:picket"}}');
    this.write("deno.json", '{"nodeModulesDir":"manual"}');
    this.#link(ROOT, "picket");
    this.#link(join(ROOT, "node_modules", "@types"), "@types");
    for (const [name, content] of files) this.write(name, content);
  }

  write(name: string, content: string): void {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }

  #link(target: string, name: string): void {
    mkdirSync(join(this.path, "node_modules"), { recursive: true });
    symlinkSync(target, join(this.path, "node_modules", name), "junction");
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
