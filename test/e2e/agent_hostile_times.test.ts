/**
 * Events whose times are not what the state file or `Date` can hold: they give alerts like others,
 * and nothing behind them waits.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { AgentProcess, followingConfig } from "../support/agent_process.ts";
import { writeEvilRule } from "../support/log_lines.ts";
import { scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();

/** Value of `@timestamp`, and `event_time` of the alert. */
const TIMES: readonly (readonly [written: unknown, told: string | null])[] = [
  ["2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00.123456Z"],
  [1_700_000_000_123_456, "2023-11-14T22:13:20.123Z"],
  ["1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"],
  // A count or a duration, as fields called `time` hold as well.
  [-1, null],
  [1e300, null],
  [-1e300, null],
  [8.64e21, "+275760-09-13T00:00:00.000Z"],
  ["9999-12-31T23:59:60Z", "9999-12-31T23:59:60Z"],
];

test("events with odd times give alerts and stop nobody", { skip }, async () => {
  using files = scratch();
  mkdirSync(files.file("rules"));
  writeEvilRule(files.file("rules/evil.yml"));
  const lines = TIMES.map(([time], n) =>
    JSON.stringify({ n, "@timestamp": time, CommandLine: `evil ${n}` })
  );
  writeFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
  await using agent = await AgentProcess.start(files, {
    config: followingConfig(files, { api: { enabled: false } }),
  });
  const alerts = await agent.until(() => {
    try {
      const text = readFileSync(files.file("out.ndjson"), "utf8");
      const whole = text.split("\n").slice(0, -1);
      return whole.length >= TIMES.length ? whole : undefined;
    } catch {
      return undefined;
    }
  }, `${TIMES.length} alerts`);
  const told = alerts.map((line) => (JSON.parse(line) as { event_time: unknown }).event_time);
  assert.deepEqual(told, TIMES.map(([, time]) => time));
  assert.equal(await agent.end(), 0);
});
