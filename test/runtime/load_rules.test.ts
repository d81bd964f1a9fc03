import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { encodeBundle } from "../../src/engine/bundle.ts";
import { listRuleFiles, loadRules, readRuleFiles } from "../../src/runtime/load_rules.ts";
import type { RuleCollection } from "../../src/sigma/rule.ts";
import { TempFiles } from "../support/cli_io.ts";

function rule(title: string, more = ""): string {
  return `title: ${title}\n${more}logsource: {product: linux}\ndetection:\n` +
    "  sel: {A: 1}\n  condition: sel\n";
}
const FILTER = "title: F\nfilter: {sel: {B: 2}, condition: not sel, rules: [One]}\n";

function titles({ rules }: RuleCollection): readonly string[] {
  return rules.map(({ title }) => title);
}

/** Codes of the errors, and the names of their files. */
function errors({ problems }: RuleCollection, files: TempFiles): readonly string[] {
  return problems.filter(({ severity }) => severity === "error").map(({ code, path }) =>
    `${code} ${path.slice(files.directory.length + 1).replaceAll("\\", "/")}`
  );
}

test("loadRules() reads directories in the order of their names, and what it is told to in turn", () => {
  using files = new TempFiles({
    "a/2.yml": rule("Two"),
    "a/1.yaml": rule("One"),
    "a/b/3.yml": rule("Three"),
    "a/notes.txt": "no rule",
    "a/.hidden.yml": rule("Hidden"),
    "a/.git/x.yml": rule("Git"),
    "z.rule": rule("Named"),
  });
  assert.deepEqual(titles(loadRules([files.path("z.rule"), files.path("a")])), [
    "Named",
    "One",
    "Two",
    "Three",
  ]);
});

test("loadRules() binds filters across files, readRuleFiles() does not", () => {
  using files = new TempFiles({ "1.yml": FILTER, "2.yml": rule("One"), "3.yml": rule("Two") });
  const { rules, filters } = loadRules([files.directory]);
  assert.deepEqual(rules.map((one) => one.filters.length), [1, 0]);
  assert.equal(filters.length, 1);
  const read = readRuleFiles([files.directory]);
  assert.equal(read.fileCount, 3);
  assert.deepEqual(read.files.flatMap((file) => file.rules.map((one) => one.filters.length)), [
    0,
    0,
  ]);
});

test("loadRules() reports what cannot be read and goes on", () => {
  using files = new TempFiles({
    "1.yml": rule("One"),
    "2.yml": new Uint8Array([0x74, 0xff, 0xfe, 0x0a]),
    "3.yml": "title: Broken\n",
    "4.bundle": "was a bundle once",
    "5.yml": rule("Five"),
  });
  writeFileSync(files.path("6.yml"), "");
  truncateSync(files.path("6.yml"), (32 << 20) + 1);
  const collection = loadRules([files.directory, files.path("absent")]);
  assert.deepEqual(titles(collection), ["One", "Five"]);
  assert.deepEqual(errors(collection, files), [
    "invalid_utf8 2.yml",
    "missing_field 3.yml",
    "file_read_error 4.bundle",
    "file_too_large 6.yml",
    "file_read_error absent",
  ]);
});

test("loadRules() reads bundles, and only signed ones where a key is given", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  using files = new TempFiles({ "rules/1.yml": rule("One") });
  const { rules, correlations, filters } = loadRules([files.path("rules")]);
  const content = { rules, correlations, filters };
  writeFileSync(files.path("plain.bundle"), encodeBundle(content, 0));
  writeFileSync(files.path("signed.bundle"), encodeBundle(content, 0, privateKey));
  assert.deepEqual(titles(loadRules([files.path("plain.bundle")])), ["One"]);
  const keyed = loadRules([files.path("plain.bundle"), files.path("signed.bundle")], {
    bundleKey: publicKey,
  });
  assert.deepEqual(titles(keyed), ["One"]);
  assert.deepEqual(errors(keyed, files), ["file_read_error plain.bundle"]);
  const damaged = Uint8Array.from(readFileSync(files.path("signed.bundle")));
  damaged[damaged.length - 20]! ^= 1;
  writeFileSync(files.path("damaged.bundle"), damaged);
  assert.deepEqual(errors(loadRules([files.path("damaged.bundle")]), files), [
    "file_read_error damaged.bundle",
  ]);
});

test("listRuleFiles() enters a directory once, however many links lead to it", {
  skip: process.platform === "win32" ? "skipped: links need rights on Windows" : false,
}, () => {
  using files = new TempFiles({ "rules/1.yml": rule("One") });
  mkdirSync(files.path("rules/deep"));
  symlinkSync("..", files.path("rules/deep/loop"));
  symlinkSync("rules", files.path("again"));
  symlinkSync("nowhere", files.path("rules/broken.yml"));
  const { files: found, problems } = listRuleFiles(files.directory);
  assert.deepEqual(found.map((path) => path.slice(files.directory.length + 1)), ["again/1.yml"]);
  assert.deepEqual(problems.map(({ code }) => code), ["file_read_error"]);
});
