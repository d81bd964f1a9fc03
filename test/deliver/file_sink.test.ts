/**
 * The file sink on real files: whole lines, rotation, crashes, full disks.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import {
  appendFile,
  chmod,
  mkdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { FileSink } from "../../src/deliver/file_sink.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import type { FileSinkSettings } from "../../src/runtime/settings.ts";
import { alerts, sinkSuite } from "../support/sink_suite.ts";
import { tempDir } from "../support/temp_dir.ts";

const NEVER = new AbortController().signal;
const POSIX = process.platform !== "win32";

function settings(path: string, more: Partial<FileSinkSettings> = {}): FileSinkSettings {
  return { type: "file", id: "file", path, ...more };
}

/** All lines, rotated files first. */
function linesOf(path: string): string[] {
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)));
  const number = (name: string) => Number(/\.(\d+)(?:\.gz)?$/.exec(name)?.[1] ?? Infinity);
  return names.sort((one, other) => number(one) - number(other)).flatMap((name) => {
    const bytes = readFileSync(join(dirname(path), name));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    assert.ok(text === "" || text.endsWith("\n"), `${name} ends with a whole line`);
    return text.split("\n").slice(0, -1);
  });
}

sinkSuite("FileSink", async () => {
  const directory = await tempDir();
  const path = join(directory.path, "alerts.ndjson");
  const again = () => new FileSink(settings(path));
  const sink = again();
  return {
    sink,
    again,
    received: () => Promise.resolve(existsSync(path) ? linesOf(path) : []),
    outage: {
      // A directory in the place of the file: what a mistaken mount or container volume gives.
      begin: async () => {
        await rename(path, `${path}.away`);
        await mkdir(path);
      },
      end: async () => {
        await rm(path, { recursive: true });
        await rename(`${path}.away`, path);
      },
    },
    [Symbol.asyncDispose]: async () => {
      await sink[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
});

interface Place extends AsyncDisposable {
  readonly path: string;
}

async function place(): Promise<Place> {
  const directory = await tempDir();
  return {
    path: join(directory.path, "logs", "alerts.ndjson"),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const bodies = (list: readonly { readonly body: string }[]) => list.map(({ body }) => body);

test(
  "FileSink makes the directory and a file that others cannot read",
  { skip: !POSIX },
  async () => {
    await using at = await place();
    await using sink = new FileSink(settings(at.path));
    await sink.send(alerts(1), NEVER);
    assert.equal(statSync(at.path).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(at.path)).mode & 0o777, 0o750 & ~process.umask());
  },
);

// What a crash or power cut can leave at the end, and what the next start makes of it.
const TAILS: readonly (readonly [what: string, tail: string, kept: string])[] = [
  ["half an object", '{"a":1,"b":"x', ""],
  ["one byte", "{", ""],
  ["a whole object without its line end", '{"a":1}', '{"a":1}\n'],
  ["text of others", "# alerts", "# alerts\n"],
  ["zeros", "\0\0\0\0", ""],
  ["nothing", "", ""],
  ["a long half", `{"a":"${"é".repeat(100_000)}`, ""],
];

for (const [what, tail, kept] of TAILS) {
  test(`FileSink goes on after ${what} at the end of its file`, async () => {
    await using at = await place();
    await mkdir(dirname(at.path));
    await writeFile(at.path, `{"first":1}\n${tail}`);
    await using sink = new FileSink(settings(at.path));
    const list = alerts(2);
    await sink.send(list, NEVER);
    const text = await readFile(at.path, "utf8");
    assert.equal(text, `{"first":1}\n${kept}${bodies(list).join("\n")}\n`);
  });
}

test("FileSink finds torn alerts missing and whole ones there after a crash", async () => {
  await using at = await place();
  const list = alerts(4);
  const first = new FileSink(settings(at.path));
  await first.send(list.slice(0, 1), NEVER);
  const position = first.peerPosition();
  await first[Symbol.asyncDispose]();
  // Killed in the middle of an append: one line, one without its end, half of the next.
  await appendFile(at.path, `${list[1]?.body}\n${list[2]?.body.slice(0, 20)}`);
  await using sink = new FileSink(settings(at.path));
  const found = await sink.reconcile(list.slice(1), position, NEVER);
  assert.deepEqual([...found], [list[1]?.id]);
  await sink.send(list.slice(2), NEVER);
  assert.deepEqual(linesOf(at.path), bodies(list));
});

for (const gzip of [true, false]) {
  test(`FileSink finds alerts behind a rotation, ${gzip ? "" : "not "}compressed`, async () => {
    await using at = await place();
    const more = { rotateBytes: 1000, rotateGzip: gzip, rotateKeep: 100 };
    const list = alerts(60);
    const first = new FileSink(settings(at.path, more));
    await first.send(list.slice(0, 5), NEVER);
    const position = first.peerPosition();
    await first.send(list.slice(5, 50), NEVER);
    for (let tries = 0; gzip && tries < 200; tries++) {
      const raw = readdirSync(dirname(at.path)).filter((name) => /\.\d+$/.test(name));
      if (raw.length === 0) break;
      await delay(10);
    }
    await first[Symbol.asyncDispose]();
    assert.deepEqual(linesOf(at.path), bodies(list.slice(0, 50)));
    await using sink = new FileSink(settings(at.path, more));
    const found = await sink.reconcile(list, position, NEVER);
    assert.deepEqual([...found].sort(), list.slice(5, 50).map(({ id }) => id).sort());
  });
}

test("FileSink rotates by size, compresses and keeps so many files", async () => {
  await using at = await place();
  const sink = new FileSink(settings(at.path, { rotateBytes: 2000, rotateKeep: 3 }));
  const list = alerts(200);
  for (const alert of list) await sink.send([alert], NEVER);
  for (let tries = 0; tries < 300; tries++) {
    const names = readdirSync(dirname(at.path));
    if (names.filter((name) => name.endsWith(".gz")).length === 3 && names.length === 4) break;
    await delay(10);
    await sink.send([], NEVER);
  }
  await sink[Symbol.asyncDispose]();
  const names = readdirSync(dirname(at.path)).sort();
  assert.equal(names.length, 4, names.join(" "));
  assert.ok(
    names.slice(1).every((name) => /^alerts\.ndjson\.\d{6}\.gz$/.test(name)),
    names.join(" "),
  );
  assert.ok(names.every((name) => statSync(join(dirname(at.path), name)).size <= 2000));
  const lines = linesOf(at.path);
  assert.deepEqual(lines, bodies(list).slice(-lines.length), "the newest, in order, each once");
});

test("FileSink rotates by age", async () => {
  await using at = await place();
  let nowMs = Date.now();
  const clock = { nowMs: () => nowMs };
  await using sink = new FileSink(settings(at.path, { rotateGzip: false }), clock);
  await sink.send(alerts(1), NEVER);
  await sink.send(alerts(1), NEVER);
  assert.equal(readdirSync(dirname(at.path)).length, 1);
  // The file was born a moment after `nowMs` was taken.
  nowMs += 86_400_000 + 1000;
  await sink.send(alerts(1), NEVER);
  assert.deepEqual(readdirSync(dirname(at.path)).sort(), ["alerts.ndjson", "alerts.ndjson.000001"]);
});

test("FileSink trusts the original when a crash left both forms, and removes partial ones", async () => {
  await using at = await place();
  await mkdir(dirname(at.path));
  await writeFile(`${at.path}.000001`, '{"whole":1}\n{"whole":2}\n');
  await writeFile(`${at.path}.000001.gz`, gzipSync('{"whole":1}\n').subarray(0, 20));
  await writeFile(`${at.path}.000002.gz.partial`, "half");
  await writeFile(`${at.path}.000002`, '{"whole":3}\n');
  const sink = new FileSink(settings(at.path));
  await sink.send(alerts(1), NEVER);
  const done = () => !existsSync(`${at.path}.000001`) && !existsSync(`${at.path}.000002`);
  for (let tries = 0; tries < 200 && !done(); tries++) await delay(10);
  await sink[Symbol.asyncDispose]();
  assert.deepEqual(readdirSync(dirname(at.path)).sort(), [
    "alerts.ndjson",
    "alerts.ndjson.000001.gz",
    "alerts.ndjson.000002.gz",
  ]);
  assert.deepEqual(linesOf(at.path).slice(0, 3), ['{"whole":1}', '{"whole":2}', '{"whole":3}']);
});

test("FileSink leaves mode and owner of its file to the operator", { skip: !POSIX }, async () => {
  await using at = await place();
  await using sink = new FileSink(settings(at.path, { rotateBytes: 100, rotateGzip: false }));
  await sink.send(alerts(1), NEVER);
  await chmod(at.path, 0o644);
  await sink.send(alerts(1), NEVER);
  assert.ok(existsSync(`${at.path}.000001`));
  assert.equal(statSync(at.path).mode & 0o777, 0o644);
});

test("FileSink makes its file anew when others rename, remove or truncate it", async () => {
  await using at = await place();
  await using sink = new FileSink(settings(at.path));
  const list = alerts(5);
  const send = (number: number) => sink.send(list.slice(number, number + 1), NEVER);
  await send(0);
  const position = sink.peerPosition();
  await rename(at.path, `${at.path}.old`);
  await send(1);
  assert.equal(await readFile(at.path, "utf8"), `${list[1]?.body}\n`);
  await rm(at.path);
  await send(2);
  await truncate(at.path, 0);
  await send(3);
  assert.equal(await readFile(at.path, "utf8"), `${list[3]?.body}\n`);
  await appendFile(at.path, "# by somebody else\n");
  sink.reopen();
  await send(4);
  assert.equal(
    await readFile(at.path, "utf8"),
    `${list[3]?.body}\n# by somebody else\n${list[4]?.body}\n`,
  );
  assert.deepEqual(
    [...await sink.reconcile(list, position, NEVER)].sort(),
    [list[3]?.id, list[4]?.id],
    "what is gone is gone; the renamed file is known by its contents",
  );
});

test("FileSink pauses at what is no file", { skip: !POSIX }, async () => {
  await using at = await place();
  await mkdir(dirname(at.path));
  assert.equal(spawnSync("mkfifo", [at.path]).status, 0);
  await using sink = new FileSink(settings(at.path));
  await assert.rejects(
    sink.send(alerts(1), NEVER),
    (error: unknown) => error instanceof DeliveryError && error.failure === "config",
  );
});

for (const fsync of ["interval", "none"] as const) {
  test(`FileSink writes with fsync ${fsync}`, async () => {
    await using at = await place();
    const sink = new FileSink(settings(at.path, { fsync }));
    const list = alerts(10);
    await sink.send(list, NEVER);
    await sink[Symbol.asyncDispose]();
    assert.deepEqual(linesOf(at.path), bodies(list));
  });
}

const isRoot = process.getuid?.() === 0;
const smallDisk = isRoot && process.platform === "linux"
  ? false
  : "needs root to mount a small disk";

test("FileSink waits for room on a full disk without a torn or repeated line", {
  skip: smallDisk,
}, async (context) => {
  await using directory = await tempDir();
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", directory.path]);
  if (mount.status !== 0) {
    console.log(`skipped: mounting a tmpfs is not allowed here: ${mount.stderr}`);
    context.skip("mounting is not allowed here");
    return;
  }
  try {
    const path = join(directory.path, "alerts.ndjson");
    const filler = join(directory.path, "filler");
    await writeFile(filler, Buffer.alloc(40 << 10));
    await using sink = new FileSink(settings(path));
    const list = alerts(400);
    let sent = 0;
    let full = 0;
    while (sent < list.length) {
      const batch = list.slice(sent, sent + 50);
      const outcomes = await sink.send(batch, NEVER);
      const failed = outcomes.filter((one) => one !== undefined);
      assert.ok(failed.length === 0 || failed.length === batch.length);
      if (failed.length === 0) {
        sent += batch.length;
        continue;
      }
      assert.equal(failed[0]?.failure, "transient");
      assert.match(failed[0]?.message ?? "", /ENOSPC|no space/i);
      assert.deepEqual(linesOf(path), bodies(list.slice(0, sent)), "cut back to whole lines");
      full++;
      await rm(filler, { force: true });
      assert.ok(full < 5);
    }
    assert.ok(full > 0, "the disk was full");
    assert.deepEqual(linesOf(path), bodies(list));
  } finally {
    spawnSync("umount", ["-l", directory.path]);
  }
});

const CHILD = fileURLToPath(new URL("../support/file_sink_child.ts", import.meta.url));
const KILLS = Number(process.env["PICKET_KILLS"] ?? 12);

for (const rotateBytes of [0, 20_000]) {
  test(`FileSink has each alert once after ${KILLS} kills, rotating at ${rotateBytes}`, {
    timeout: 600_000,
  }, async () => {
    await using at = await place();
    await mkdir(dirname(at.path));
    const journal = `${dirname(at.path)}.journal`;
    const total = 3000;
    const run = async (killAfterMs: number | undefined) => {
      const runtime = process.execPath;
      const flags = "Deno" in globalThis ? ["run", "-A", CHILD] : [CHILD];
      const child = spawn(
        runtime,
        [...flags, at.path, journal, String(total), String(rotateBytes)],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
      if (killAfterMs !== undefined) {
        // The time counts from the first sign of life: starting takes longer than everything else.
        await Promise.race([new Promise((resolve) => child.stdout.once("data", resolve)), exited]);
        await delay(killAfterMs);
        child.kill("SIGKILL");
      }
      return await exited;
    };
    let random = 7;
    for (let kill = 0; kill < KILLS; kill++) {
      random = (random * 16807) % 2147483647;
      await run(random % 25);
    }
    assert.equal(await run(undefined), 0);
    const got = linesOf(at.path).map((line) => Number(JSON.parse(line).number));
    assert.equal(new Set(got).size, total, "none is lost");
    assert.equal(got.length, total, "none is there twice");
    assert.deepEqual(got, [...got].sort((one, other) => one - other), "in order");
  });
}
