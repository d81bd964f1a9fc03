/**
 * `picket rules bundle` of the built executable, and scans with what it packs.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  FIXTURES,
  picket,
  type Scratch,
  scratch,
  skipWithoutExecutable,
} from "../support/picket.ts";

const built = skipWithoutExecutable();
const RULES = fileURLToPath(new URL("../../rules", import.meta.url));

/** A pair of Ed25519 keys as PEM files. */
function writeKeys(dir: Scratch, name: string): { readonly secret: string; readonly open: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const secret = dir.file(`${name}.key`);
  const open = dir.file(`${name}.pem`);
  writeFileSync(secret, privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(open, publicKey.export({ type: "spki", format: "pem" }));
  return { secret, open };
}

test("a bundle finds what its rules find", built, async () => {
  using dir = scratch();
  const bundle = dir.file("rules.bundle");
  const build = await picket(["rules", "bundle", "build", RULES, "-o", bundle]);
  assert.equal(build.code, 0, build.stderr);
  const [, rules] = /: (\d+) rules, 0 correlations, 0 filters, 0 not loaded/.exec(build.stderr)!;
  const info = await picket(["rules", "bundle", "info", bundle]);
  const header = JSON.parse(info.stdout) as Readonly<Record<string, unknown>>;
  assert.equal(header["rules"], Number(rules));
  assert.match(String(header["sha256"]), /^[0-9a-f]{64}$/);
  assert.equal(header["bytes"], readFileSync(bundle).length);
  const verify = await picket(["rules", "bundle", "verify", bundle]);
  assert.equal(verify.code, 0);
  assert.match(verify.stdout, /sound, \d+ rules, not signed/);
  const fromFiles = await picket(["scan", FIXTURES, "-q", "--rules", RULES]);
  const fromBundle = await picket(["scan", FIXTURES, "-q", "--rules", bundle]);
  assert.ok(fromFiles.stdout.length > 1000);
  assert.equal(fromBundle.stdout, fromFiles.stdout);
  // The same rules make the same bundle, and nothing is left beside it.
  const again = dir.file("again.bundle");
  await picket(["rules", "bundle", "build", RULES, "-o", again]);
  assert.deepEqual(readFileSync(again), readFileSync(bundle));
  assert.deepEqual(readdirSync(dir.path).sort(), ["again.bundle", "rules.bundle"]);
});

test("a signed bundle is accepted by its key alone", built, async () => {
  using dir = scratch();
  const ours = writeKeys(dir, "ours");
  const others = writeKeys(dir, "others");
  const signed = dir.file("signed.bundle");
  const unsigned = dir.file("unsigned.bundle");
  const build = ["rules", "bundle", "build", join(RULES, "linux")];
  assert.equal((await picket([...build, "-o", signed, "--sign-key", ours.secret])).code, 0);
  assert.equal((await picket([...build, "-o", unsigned])).code, 0);
  const cases: readonly (readonly [string, string, number])[] = [
    [signed, ours.open, 0],
    [signed, others.open, 2],
    [unsigned, ours.open, 2],
    [signed, dir.file("missing.pem"), 3],
  ];
  for (const [bundle, key, expected] of cases) {
    const verify = await picket(["rules", "bundle", "verify", bundle, "--public-key", key]);
    assert.equal(verify.code, expected, verify.stderr);
    const args = ["scan", FIXTURES, "--rules", bundle, "--bundle-key", key];
    const { code, stdout, stderr } = await picket(args);
    assert.equal(code, expected, stderr);
    assert.equal(stdout === "", expected !== 0);
  }
  assert.match(
    (await picket(["rules", "bundle", "verify", signed])).stdout,
    /signed; give --public-key to check by whom/,
  );
});

test("a bundle that was changed is refused wherever the change is", built, async () => {
  using dir = scratch();
  const { secret, open } = writeKeys(dir, "ours");
  const bundle = dir.file("rules.bundle");
  const rules = join(RULES, "linux");
  await picket(["rules", "bundle", "build", rules, "-o", bundle, "--sign-key", secret]);
  const intact = readFileSync(bundle);
  const changed = dir.file("changed.bundle");
  const half = intact.length >> 1;
  const contents: readonly (readonly [string, Uint8Array])[] = [
    ...[1, half, intact.length - 1].map((at) => {
      const copy = Buffer.from(intact);
      copy[at]! ^= 1;
      return [`bit at ${at}`, copy] as const;
    }),
    ["cut", intact.subarray(0, half)],
    ["longer", Buffer.concat([intact, Uint8Array.of(0)])],
    ["empty", new Uint8Array()],
  ];
  for (const [name, content] of contents) {
    writeFileSync(changed, content);
    const verify = await picket(["rules", "bundle", "verify", changed, "--public-key", open]);
    assert.equal(verify.code, 2, name);
    assert.match(verify.stderr, /^error: Cannot load rule bundle: /, name);
    const { code, stdout, stderr } = await picket(["scan", FIXTURES, "--rules", changed]);
    assert.equal(code, 2, `${name}: ${stderr}`);
    assert.equal(stdout, "");
    assert.match(stderr, /changed\.bundle/);
  }
  // A sound bundle beside it still works.
  const { code, stderr } = await picket(
    ["scan", FIXTURES, "--rules", changed, "--rules", bundle],
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /rules loaded, 1 not loaded/);
});

test("rules bundle build writes nothing where it fails", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("bad.yml"), "title: Broken\n");
  copyFileSync(
    join(RULES, "linux/sudo", readdirSync(join(RULES, "linux/sudo"))[0]!),
    dir.file("good.yml"),
  );
  const out = dir.file("out.bundle");
  const cases: readonly (readonly [readonly string[], number])[] = [
    [[dir.file("bad.yml"), "-o", out], 2],
    [[dir.file("bad.yml"), dir.file("good.yml"), "-o", out, "--strict"], 2],
    [[dir.file("missing"), "-o", out], 2],
    [[dir.file("good.yml"), "-o", out, "--sign-key", dir.file("missing")], 3],
    [[dir.file("good.yml"), "-o", join(dir.path, "none", "out.bundle")], 4],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await picket(["rules", "bundle", "build", ...args]);
    assert.equal(code, expected, stderr);
    assert.ok(!existsSync(out));
    assert.deepEqual(readdirSync(dir.path).sort(), ["bad.yml", "good.yml"]);
  }
  const { code, stderr } = await picket(
    ["rules", "bundle", "build", dir.file("bad.yml"), dir.file("good.yml"), "-o", out],
  );
  assert.equal(code, 0);
  assert.match(stderr, /1 rule, .* 1 not loaded/);
});
