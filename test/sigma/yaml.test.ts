import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMITS } from "../../src/sigma/limits.ts";
import { readYaml, type YamlNode } from "../../src/sigma/yaml.ts";

function read(text: string): readonly (YamlNode | string | undefined)[] {
  return [...readYaml(text, DEFAULT_LIMITS).documents].map((document) =>
    "error" in document ? `${document.error.code}@${document.error.at}` : document.root
  );
}

function scalar(text: string): string {
  const [root] = read(`k: ${text}`);
  assert.ok(typeof root === "object" && root.kind === "map");
  const { value } = root.entries[0]!;
  if (value.kind === "list" || value.kind === "map") return value.kind;
  if (value.kind === "null") return "null";
  return `${value.kind} ${value.kind === "boolean" ? value.value : value.text}`;
}

// sigma-rules.md, section 3.
const TYPES: readonly (readonly [source: string, typed: string])[] = [
  ["true", "boolean true"],
  ["True", "boolean true"],
  ["FALSE", "boolean false"],
  ["tRUE", "string tRUE"],
  ["yes", "string yes"],
  ["no", "string no"],
  ["on", "string on"],
  ["y", "string y"],
  ["null", "null"],
  ["Null", "null"],
  ["~", "null"],
  ["", "null"],
  ["''", "string "],
  ["123", "integer 123"],
  ["-7", "integer -7"],
  ["+7", "integer 7"],
  ["0", "integer 0"],
  ["-0", "integer 0"],
  ["0x1f", "integer 31"],
  ["0x40810000", "integer 1082195968"],
  ["0o17", "integer 15"],
  ["9007199254740993", "integer 9007199254740993"],
  ["18446744073709551616", "integer 18446744073709551616"],
  ["1.5", "float 1.5"],
  ["1e3", "float 1000"],
  ["1e21", "float 1000000000000000000000"],
  [".5", "float 0.5"],
  [".inf", "float inf"],
  ["-.INF", "float -inf"],
  [".nan", "float nan"],
  ["0123", "string 0123"],
  ["-0123", "string -0123"],
  ["1_000", "string 1_000"],
  ["0b11", "string 0b11"],
  ["12:30:45", "string 12:30:45"],
  ["2024-05-01", "string 2024-05-01"],
  ["'4624'", "string 4624"],
  ['"a\\tb"', "string a\tb"],
  ["!!str 5", "string 5"],
  ["!!int 5", "integer 5"],
  ["! 5", "string 5"],
];

for (const [source, typed] of TYPES) {
  test(`readYaml() types ${source || "nothing"} as ${typed}`, () => {
    assert.equal(scalar(source), typed);
  });
}

const REFUSED: readonly (readonly [name: string, text: string, error: string])[] = [
  ["a repeated key", "a: 1\nb: 2\na: 3\n", "duplicate_key@10"],
  ["a custom tag", "a: !secret x\n", "yaml_tag@11"],
  ["a tag that does not fit", "a: !!int x\n", "yaml_tag@9"],
  ["a tagged mapping", "a: !!set {b}\n", "yaml_tag@9"],
  ["an alias without anchor", "a: *b\n", "yaml_alias@3"],
  ["an alias inside its anchor", "a: &b [*b]\n", "yaml_alias@7"],
  ["a mapping as key", "? {a: 1}\n: 2\n", "yaml_key@2"],
  ["65 nested lists", `a: ${"[".repeat(66)}${"]".repeat(66)}`, "yaml_too_deep@67"],
  ["brackets without end", "[".repeat(50_000), "yaml_too_deep@0"],
];

for (const [name, text, error] of REFUSED) {
  test(`readYaml() refuses ${name}`, () => {
    assert.deepEqual(read(text), [error]);
  });
}

test("readYaml() resolves aliases and leaves `<<` alone", () => {
  const [root] = read("a: &x {k: v}\nb: *x\nc:\n  <<: *x\n");
  assert.ok(typeof root === "object" && root.kind === "map");
  const [a, b, c] = root.entries.map(({ value }) => value);
  assert.equal(a, b);
  assert.ok(c?.kind === "map");
  assert.equal(c.entries[0]!.key, "<<");
});

test("readYaml() counts what aliases stand for, not what is written", () => {
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    const alias = `*a${level - 1}`;
    bomb.push(`a${level}: &a${level} [${Array(10).fill(alias).join(", ")}]`);
  }
  assert.match(String(read(bomb.join("\n"))[0]), /^yaml_alias@/);
});

test("readYaml() strips a byte order mark and keeps columns", () => {
  const file = readYaml("\uFEFFtitle: x\nid: !y z\n", DEFAULT_LIMITS);
  const [document] = [...file.documents];
  assert.ok(document !== undefined && "error" in document);
  assert.deepEqual(file.position(document.error.at), { line: 2, column: 8 });
});

test("readYaml() stops at a syntax error and goes on after one of ours", () => {
  const kinds = read("a: 1\n---\na: 1\na: 2\n---\nb: 1\n---\n]: [\n---\nc: 1\n")
    .map((root) => typeof root === "object" ? root.kind : root?.replace(/@.*/, ""));
  assert.deepEqual(kinds, ["map", "duplicate_key", "map", "yaml_syntax"]);
});
