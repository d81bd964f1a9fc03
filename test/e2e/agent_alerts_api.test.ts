/**
 * Recent alerts and the live tail of a running agent: in order, complete, each once.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync } from "node:fs";
import { test } from "node:test";
import { AgentProcess, followingConfig } from "../support/agent_process.ts";
import { writeEvilRule } from "../support/log_lines.ts";
import { scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();

test("recent alerts are 1,000 and newest first; who comes back misses none and gets none twice", {
  skip,
}, async () => {
  using files = scratch();
  mkdirSync(files.file("rules"));
  writeEvilRule(files.file("rules/evil.yml"));
  await using agent = await AgentProcess.start(files, {
    config: followingConfig(files),
  });
  let written = 0;
  const write = (count: number): void => {
    const lines = Array.from({ length: count }, () => `{"CommandLine":"evil ${++written}"}\n`);
    appendFileSync(files.file("app.log"), lines.join(""));
  };
  const seqs = async (query: string): Promise<number[]> => {
    const { body } = await agent.api(`/api/v1/alerts?${query}`);
    return (body as { alerts: { seq: number }[] }).alerts.map(({ seq }) => seq);
  };
  const until = (seq: number): Promise<unknown> =>
    agent.until(async () => (await seqs("limit=1"))[0] === seq || undefined, `alert ${seq}`);

  write(1200);
  await until(1200);
  assert.deepEqual(await seqs("limit=3"), [1200, 1199, 1198]);
  assert.deepEqual(await seqs("limit=5000"), range(1200, 201));
  assert.deepEqual(await seqs("after=1000&limit=3"), [1001, 1002, 1003]);

  // Reconnects at once behind an alert of a moment ago, as a console does.
  const events = tail(`${await agent.url()}/api/v1/detections/stream`, 1150, 60);
  await new Promise((resolve) => setTimeout(resolve, 300));
  write(10);
  assert.deepEqual(await events, range(1151, 1210));
  assert.equal(await agent.end(), 0);
});

function range(from: number, to: number): number[] {
  const step = Math.sign(to - from);
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, at) => from + at * step);
}

/** The ids of the events behind `after`, until there are so many and nothing more comes for a while. */
async function tail(url: string, after: number, count: number): Promise<number[]> {
  const abort = new AbortController();
  const response = await fetch(url, {
    headers: { accept: "text/event-stream", "last-event-id": String(after) },
    signal: abort.signal,
  });
  const decoder = new TextDecoder();
  let text = "";
  const ids = (): number[] =>
    [...text.matchAll(/id: (\d+)\nevent: alert\n/g)].map((match) => Number(match[1]));
  try {
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true });
      if (ids().length >= count) setTimeout(() => abort.abort(), 500);
    }
  } catch {
    // Aborted.
  }
  return ids();
}
