/**
 * The examples of `docs/library.md` do what they say, in a project that depends on Picket: on Bun
 * when Bun runs this file, on Deno when Deno does.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { docExamples, Project } from "../support/doc_examples.ts";
import { run } from "../support/picket.ts";

const PAGE = fileURLToPath(new URL("../../docs/library.md", import.meta.url));
const EXAMPLES = docExamples(readFileSync(PAGE, "utf8"));
const IS_DENO = "Deno" in globalThis;
const RUN = IS_DENO ? [process.execPath, "run", "-A", "--no-check"] : [process.execPath];

test("docExamples() reads programs, their output, input and files", () => {
  const page = [
    "## One",
    "```yaml file=a/b.yml",
    "x: 1",
    "```",
    "```ts run stdin=a/b.yml",
    "console.log(1);",
    "",
    "```",
    "```text",
    "1",
    "```",
    "## Two",
    "```ts",
    "let y;",
    "```",
  ].join("\n");
  const [one, two, ...more] = docExamples(page);
  const files = new Map([["a/b.yml", "x: 1\n"]]);
  assert.deepEqual(one, {
    title: "One",
    line: 6,
    code: "console.log(1);\n\n",
    output: "1\n",
    stdin: "a/b.yml",
    files,
  });
  assert.equal(two?.output, undefined);
  assert.deepEqual(more, []);
  assert.throws(() => docExamples("```ts run\n1;\n```"), /no output/);
  assert.throws(() => docExamples("```ts run\n1;\n"), /not closed/);
});

test("the page has an example of everything it promises", () => {
  const run = EXAMPLES.filter(({ output }) => output !== undefined).map(({ title }) => title);
  assert.deepEqual(run, [
    "The minimum",
    "Rules",
    "Batches",
    "Reloading rules",
    "Any log",
    "Any log",
    "Any log",
    "EVTX files",
    "Streaming",
    "No alert lost, none twice",
    "Your own sink",
    "Metrics",
    "The whole agent",
  ]);
});

for (const { title, line, code, output, stdin, files } of EXAMPLES) {
  if (output === undefined) continue;
  test(`docs/library.md:${line} ${title}`, async () => {
    using project = new Project(files);
    project.write("example.ts", code);
    const input = stdin === undefined ? "" : files.get(stdin);
    assert.ok(input !== undefined, `${stdin} is on the page`);
    const ran = await run([...RUN, "example.ts"], {
      cwd: project.path,
      stdin: new TextEncoder().encode(input),
    });
    assert.equal(ran.stdout, output, ran.stderr);
    assert.equal(ran.code, 0, ran.stderr);
  });
}
