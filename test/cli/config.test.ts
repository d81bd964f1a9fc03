import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { configCommand } from "../../cli/commands/config.ts";
import { UsageError } from "../../cli/commands/common.ts";
import { configPath, configShow } from "../../cli/commands/config_show.ts";
import { configValidate } from "../../cli/commands/config_validate.ts";
import type { CliIo, ExitCode } from "../../cli/io.ts";
import { emptyAround, TempFiles } from "../support/config.ts";

/** Collects what a command writes. */
class Recorder implements CliIo {
  readonly outIsTerminal = false;
  readonly errIsTerminal = false;
  readonly columns = 100;
  readonly signal = new AbortController().signal;
  readonly env: Readonly<Record<string, string>>;
  text = "";
  errors = "";

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.env = env;
  }

  out(text: string): void {
    this.text += text;
  }

  outBytes(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  err(line: string): void {
    this.errors += `${line}\n`;
  }

  errRaw(text: string): void {
    this.errors += text;
  }
}

async function config(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: ExitCode; readonly out: string; readonly err: string }> {
  const io = new Recorder(env);
  let code: ExitCode = 0;
  const command = configCommand(io, (result) => code = result);
  await command.parseAsync([...args], { from: "user" });
  return { code, out: io.text, err: io.errors };
}

const GOOD = "sources: [stdin]\nsinks: [{type: http, url: 'https://u:hunter2@h/x'}]\n";

// daemon.md, 17.6, case 109.
test("picket config init writes what validates, and refuses to write again without --force", async () => {
  using temp = new TempFiles();
  const file = temp.path("sub/picket.yaml");
  const first = await config(["init", "-o", file]);
  assert.equal(first.code, 0);
  assert.match(
    readFileSync(file, "utf8"),
    /^# yaml-language-server: \$schema=\.\/picket\.schema\.json\n/,
  );
  const schema = JSON.parse(readFileSync(temp.path("sub/picket.schema.json"), "utf8"));
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  const valid = await config(["validate", "-c", file, "--strict"]);
  assert.match(valid.err, /Config is valid\.\n$/);
  assert.equal(valid.code, 0);
  writeFileSync(file, GOOD);
  await assert.rejects(
    config(["init", "-o", file]),
    (error: unknown) =>
      error instanceof UsageError &&
      /refusing to overwrite existing .* --force/.test(error.message),
  );
  assert.equal(readFileSync(file, "utf8"), GOOD);
  assert.equal((await config(["init", "-o", file, "--force"])).code, 0);
  assert.notEqual(readFileSync(file, "utf8"), GOOD);
});

test("picket config init -o - writes to stdout and no file", async () => {
  const { code, out } = await config(["init", "-o", "-"]);
  assert.equal(code, 0);
  assert.equal((parse(out) as { readonly version: number }).version, 1);
});

// daemon.md, 17.6, cases 110 and 111; unknown keys are errors in Picket.
test("picket config validate tells every problem with its line and exits 3", async () => {
  using temp = new TempFiles({ "c.yaml": `${GOOD}stop: {comit: 1s}\nlog: {level: 3}\n` });
  const { code, out, err } = await config(["validate", "-c", temp.path("c.yaml")]);
  assert.equal(code, 3);
  assert.equal(out, "");
  assert.deepEqual(
    err.replaceAll(`${temp.directory}/`, "").trimEnd().split("\n"),
    [
      "error: c.yaml:3:8: stop.comit: unknown key (did you mean 'commit'?)",
      "error: c.yaml:4:14: log.level: must be trace, debug, info, warn, error or off",
      "Config is not valid: 2 problems.",
    ].sort((left, right) => order(err, left) - order(err, right)),
  );
  const missing = await config(["validate", "-c", temp.path("none.yaml")]);
  assert.equal(missing.code, 3);
  assert.match(missing.err, /could not read config/);
});

/** Sections are checked in the order of the schema, not of the file. */
function order(text: string, line: string): number {
  return text.indexOf(line.split(": ").at(-1)!);
}

test("picket config validate --format json is for machines; --strict minds warnings", async () => {
  using temp = new TempFiles({
    "c.yaml": "sources: [stdin]\nsinks: ['stdout?on_full=drop']\nstate: {path: s.db}\n",
    "d.yaml": "sinks: [stdout]\nsources: [{type: file, paths: [gone.log]}]\napi: {addr: 1}\n",
  });
  const file = temp.path("c.yaml");
  const { code, out } = await config(["validate", "-c", file, "--format", "json"]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(out), {
    ok: true,
    sources: [file],
    problems: [{
      severity: "warning",
      key: "sinks[0]",
      message: "on_full=drop has no effect: alerts wait on disk, see outbox.on_full",
      file,
      line: 2,
      column: 9,
    }],
    hints: [],
  });
  const strict = await config(["validate", "-c", file, "--strict", "--format", "json"]);
  assert.equal(strict.code, 3);
  assert.equal(JSON.parse(strict.out).ok, false);
  const wrong = await config(["validate", "-c", temp.path("d.yaml"), "--format", "json"]);
  assert.equal(wrong.code, 3);
  assert.match(JSON.parse(wrong.out).error, /d\.yaml:3:13: api\.addr: must be text/);
});

// daemon.md, 17.6, cases 112, 113 and 115.
test("picket config show names the origin of each value and masks secrets", async () => {
  using temp = new TempFiles({ "c.yaml": `${GOOD}log: {level: debug}\n` });
  const file = temp.path("c.yaml");
  const env = { PICKET_LIMITS__BUFFER_SIZE: "42" };
  const json = await config(["show", "-c", file, "--format", "json"], env);
  const { config: tree, sources } = JSON.parse(json.out);
  assert.equal(tree.limits.buffer_size, 42);
  assert.equal(sources["limits.buffer_size"], "env PICKET_LIMITS__BUFFER_SIZE");
  assert.equal(sources["log.level"], `${file}:3`);
  assert.equal(sources["log.format"], "default");
  assert.equal(sources["sinks[0].id"], "default");
  const text = await config(["show", "-c", file]);
  assert.match(text.out, /^log\.level = "debug" {2}\(.*c\.yaml:3\)$/m);
  const lines = text.out.trimEnd().split("\n");
  assert.deepEqual(lines.toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1), lines);
  const yaml = await config(["show", "-c", file, "--format", "yaml", "--for", "sinks"]);
  assert.deepEqual(parse(yaml.out), {
    sinks: [{ type: "http", id: "http", url: "https://***@h/x" }],
  });
  assert.doesNotMatch(json.out + text.out + yaml.out, /hunter2/);
  await assert.rejects(config(["show", "--for", "sink"]), /did you mean 'sinks'/);
});

function keyOf(line: string): string {
  return line.split(" = ")[0]!;
}

test("what picket config show --format yaml writes is a configuration", async () => {
  using temp = new TempFiles({ "c.yaml": "sources: [stdin]\nsinks: [stdout]\napi: {tls: {}}\n" });
  const first = await config(["show", "-c", temp.path("c.yaml"), "--format", "yaml"]);
  writeFileSync(temp.path("d.yaml"), first.out);
  const second = await config(["show", "-c", temp.path("d.yaml"), "--format", "yaml"]);
  assert.equal(second.out, first.out);
});

test("a configuration that cannot be used is not shown", async () => {
  using temp = new TempFiles({ "c.yaml": "api: 3\n" });
  const { code, out, err } = await config(["show", "-c", temp.path("c.yaml")]);
  assert.equal(code, 3);
  assert.equal(out, "");
  assert.match(err, /c\.yaml:1:6: api: must be a mapping, not a number/);
});

test("picket config path lists the files that are read, or says none", () => {
  using temp = new TempFiles({ "etc/config.yaml": "", "picket.yml": "" });
  const io = new Recorder();
  assert.equal(configPath({ around: emptyAround(temp.directory) }, io), 0);
  assert.equal(io.text, `${temp.path("etc/config.yaml")}\n${temp.path("picket.yml")}\n`);
  const none = new Recorder();
  configPath({ around: emptyAround(temp.path("nowhere")) }, none);
  assert.equal(none.text, "none\n");
});

test("without any file the defaults are shown and validate says so", () => {
  using temp = new TempFiles();
  const around = emptyAround(temp.directory);
  const io = new Recorder();
  assert.equal(configShow({ around, format: "text", for: "tap" }, io), 0);
  assert.match(io.text, /^tap\.enabled = false {2}\(default\)$/m);
  const check = new Recorder();
  assert.equal(configValidate({ around, strict: false, format: "text" }, check), 0);
  assert.match(check.errors, /There is no configuration file\.\n/);
});

test("picket config schema writes the JSON Schema", async () => {
  const { out } = await config(["schema"]);
  assert.equal(JSON.parse(out).title, "Picket configuration");
});
