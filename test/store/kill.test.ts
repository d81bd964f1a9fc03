/**
 * A process that commits is killed at random moments: what it had reported is there, nothing twice,
 * positions and alerts agree. R1, 21.7 #116; `PICKET_KILLS` sets how often.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openState } from "../../src/store/open_state.ts";
import { TempDirectory } from "./temp_directory.ts";
import { PLAIN } from "./helpers.ts";

const KILLS = Number(process.env["PICKET_KILLS"] ?? 12);
const CHILD = fileURLToPath(new URL("kill_child.ts", import.meta.url));
const RUNTIME = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];

/** Lets the child run until some commits after it has opened the file, and kills it. */
function runAndKill(path: string, fsync: string, commits: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...RUNTIME, CHILD, path, fsync], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    let killed = false;
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (!killed && text.split("committed").length > commits) {
        killed = true;
        child.kill("SIGKILL");
      }
    });
    child.on("error", reject);
    child.on("close", () => {
      if (/recovery|Error/.test(text)) return reject(new Error(text));
      const reported = [...text.matchAll(/^committed (\d+)$/gm)].at(-1)?.[1];
      resolve(Number(reported ?? 0));
    });
  });
}

for (const fsync of ["full", "normal"]) {
  test(`${KILLS} kills with fsync ${fsync}: nothing is lost, nothing is there twice`, {
    timeout: 900_000,
  }, async () => {
    using files = new TempDirectory();
    const path = files.path("state.db");
    let reported = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      reported = Math.max(reported, await runAndKill(path, fsync, 1 + (kill * 13) % 60));
      using state = openState(path, { ...PLAIN, recentAlerts: 10 });
      assert.equal(state.recovery, undefined);
      const position = Number(state.position("s"));
      assert.ok(position >= reported, `${position} is behind ${reported}`);
      const ids = state.pending("keeps", 1_000_000, 1e12).map(({ alert }) => alert.id);
      assert.deepEqual(ids, Array.from({ length: position }, (_, at) => `alert-${at + 1}`));
      const { alerts } = state.backlog("takes", 0);
      const rest = state.pending("takes", 1_000_000, 1e12).map(({ alert }) => alert.id);
      assert.deepEqual(rest, ids.slice(ids.length - alerts));
      assert.equal(state.stats().waiting, position);
    }
    console.log(`fsync ${fsync}: ${KILLS} kills, ${reported} alerts, 0 lost, 0 twice`);
  });
}
