import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { diffConfig } from "../../src/agent/config/diff.ts";
import { loadConfig } from "../../src/agent/config/load.ts";
import { ConfigError } from "../../src/agent/config/problems.ts";
import { configSchema } from "../../src/agent/config/schema.ts";
import { describeConfig } from "../../src/agent/config/show.ts";
import { valueFor } from "../arbitraries/config.ts";
import { emptyAround, loadText, TempFiles } from "../support/config.ts";

const RUNS = Number(process.env["PICKET_TEST_RUNS"] ?? "300");

/** What was loaded, or `undefined` if it was refused in the proper way. */
function tryLoad(text: string, directory: string): ReturnType<typeof loadText> | undefined {
  try {
    return loadText(text, directory);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.problems.length > 0);
    for (const { message } of error.problems) assert.notEqual(message, "");
    return undefined;
  }
}

test("what config show --format yaml writes loads to the same configuration", () => {
  using temp = new TempFiles();
  let accepted = 0;
  fc.assert(
    fc.property(valueFor(configSchema), (value) => {
      const loaded = tryLoad(stringify(value), temp.directory);
      if (loaded === undefined) return;
      accepted++;
      const again = loadText(stringify(describeConfig(loaded).config), temp.directory);
      assert.deepEqual(again.effective, loaded.effective);
      assert.equal(JSON.stringify(again.config), JSON.stringify(loaded.config));
      assert.deepEqual(diffConfig(loaded, again).parts, []);
    }),
    { numRuns: RUNS },
  );
  assert.ok(accepted > RUNS / 10, `${accepted} of ${RUNS} were accepted`);
});

test("loading any value tree gives a configuration or a ConfigError", () => {
  using temp = new TempFiles();
  const key = fc.oneof(
    fc.constantFrom(...Object.keys(configSchema.shape), "daemon", "type", "paths", "auth", "x"),
    fc.string({ maxLength: 5 }),
  );
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(null, true, 0, -1, 1.5, "", "file", "30s", "stdin", "__proto__"),
      fc.string({ maxLength: 10 }),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(key, tree, { maxKeys: 5 }), (value) => {
      tryLoad(stringify(value), temp.directory);
      try {
        loadConfig({
          env: {},
          around: emptyAround(temp.directory),
          configPath: temp.path("e.yaml"),
          flags: value as NonNullable<Parameters<typeof loadConfig>[0]>["flags"] & object,
        });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }),
    { numRuns: RUNS },
  );
});

test("loading any bytes takes bounded time and throws nothing but ConfigError", () => {
  using temp = new TempFiles();
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.string({ unit: "binary", maxLength: 1000 }).map((text) => new TextEncoder().encode(text)),
    fc.array(
      fc.constantFrom(
        "api:",
        " ",
        "\n",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "|",
        "? ",
        ": ",
        "x",
        "'",
      ),
      { maxLength: 200 },
    ).map((parts) => new TextEncoder().encode(parts.join(""))),
  );
  fc.assert(
    fc.property(bytes, (content) => {
      writeFileSync(temp.path("r.yaml"), content);
      const started = performance.now();
      try {
        loadConfig({
          env: {},
          around: emptyAround(temp.directory),
          configPath: temp.path("r.yaml"),
        });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
      assert.ok(performance.now() - started < 2000);
    }),
    { numRuns: RUNS },
  );
});

// Shapes that make a reader slow; each is as large as a file may be.
const LARGE: readonly (readonly [what: string, text: string])[] = [
  ["many keys", Array.from({ length: 60_000 }, (_, at) => `k${at}: 1`).join("\n")],
  [
    "many keys in a flow mapping",
    `{${Array.from({ length: 60_000 }, (_, at) => `k${at}: 1`).join()}}`,
  ],
  ["a long list", `sinks: [${"stdout,".repeat(90_000)}]`],
  ["many aliases", `a: &a [1]\nb: [${"*a,".repeat(200_000)}]`],
  ["open brackets", `a: ${"[".repeat(500_000)}`],
  ["quotes", `a: ${"'\"".repeat(300_000)}`],
  ["blanks", `a:${" ".repeat(900_000)}b`],
];
for (const [what, text] of LARGE) {
  test(`a file with ${what} is read or refused soon`, () => {
    using temp = new TempFiles();
    const started = performance.now();
    tryLoad(text, temp.directory);
    assert.ok(performance.now() - started < 8000, `${performance.now() - started} ms`);
  });
}

test("any environment gives a configuration or a ConfigError", () => {
  using temp = new TempFiles();
  const name = fc.array(
    fc.constantFrom("API", "ADDR", "SINKS", "DAEMON", "X", "", "LOG", "LEVEL", "__PROTO__"),
    { minLength: 1, maxLength: 4 },
  ).map((parts) => `PICKET_${parts.join("__")}`);
  const value = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.constantFrom("[stdout]", "{a: b}", "&a [*a]"),
  );
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 5 }), (env) => {
      try {
        loadConfig({ env, around: emptyAround(temp.directory) });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }),
    { numRuns: RUNS },
  );
});
