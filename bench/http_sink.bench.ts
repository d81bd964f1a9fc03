/**
 * How many alerts a second the HTTP sink delivers to a server on loopback, in each of its modes.
 *
 * Run with `bun bench/http_sink.bench.ts`. The server runs in a process of its own; it counts what
 * arrives, and a run whose count is wrong fails.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import http from "node:http";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { httpSink } from "../src/deliver/http/sink.ts";
import type { Alert } from "../src/runtime/alert.ts";
import type { HttpSinkSettings } from "../src/runtime/settings.ts";

const ALERTS = 20_000;
const TEMPLATE_ALERTS = 4_000;
/** What a drain hands over at a time. */
const BATCH = 100;
const RUNS = 5;

/** Answers 204; `GET /` gives the alerts since the last one and the bytes. */
function runServer(): void {
  let alerts = 0;
  let bytes = 0;
  const server = http.createServer((request, response) => {
    if (request.method === "GET") {
      response.end(JSON.stringify({ alerts, bytes }));
      alerts = bytes = 0;
      return;
    }
    const each = Number(request.headers["x-alerts"] ?? 0);
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (each === 0) { for (const byte of chunk) if (byte === 10) alerts++; }
    });
    request.on("end", () => {
      alerts += each;
      response.writeHead(204).end();
    });
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object") console.log(address?.port);
  });
}

function alertsOf(count: number): Alert[] {
  return Array.from({ length: count }, (_, at) => {
    const id = `pk1-${String(at).padStart(32, "0")}`;
    const commandLine = `"C:\\Windows\\System32\\net.exe" user guest${at} /add`;
    const body = {
      rule_title: "New User Created Via Net.EXE",
      rule_id: "cd219ff3-fa99-45d4-8380-a7d15116c6dc",
      level: "medium",
      tags: ["attack.persistence", "attack.t1136.001"],
      matched_selections: ["selection_img", "selection_cli"],
      matched_fields: [
        { field: "Image", value: "C:\\Windows\\System32\\net.exe" },
        { field: "CommandLine", value: commandLine },
      ],
      alert_id: id,
      kind: "detection",
      event_time: "2025-10-09T08:53:20.000Z",
      agent: { id: "4a1c", host: "WS-0123" },
      source: { id: "security", kind: "evtx", channel: "Security" },
    };
    return {
      seq: at,
      id,
      kind: "detection",
      level: "medium",
      ruleId: body.rule_id,
      ruleTitle: body.rule_title,
      sourceId: "security",
      createdMs: 1_760_000_000_000,
      eventMs: undefined,
      body: JSON.stringify(body),
    };
  });
}

async function run(port: number, name: string, settings: Partial<HttpSinkSettings>, count: number) {
  const signal = new AbortController().signal;
  const alerts = alertsOf(count);
  const rates: number[] = [];
  // The first run warms both sides up and does not count.
  for (let n = -1; n < RUNS; n++) {
    await using sink = httpSink({
      id: "bench",
      type: "http",
      url: `http://127.0.0.1:${port}/`,
      egress: { policy: "default" },
      proxy: "none",
      ...settings,
    });
    const began = performance.now();
    for (let at = 0; at < count; at += BATCH) {
      const outcomes = await sink.send(alerts.slice(at, at + BATCH), signal);
      assert.ok(outcomes.every((one) => one === undefined));
    }
    if (n >= 0) rates.push(count / (performance.now() - began) * 1_000);
    const got = await (await fetch(`http://127.0.0.1:${port}/`)).json();
    assert.equal(got.alerts, count);
    if (settings.mode === undefined && settings.gzip !== true) {
      assert.equal(
        got.bytes,
        alerts.reduce((sum, { body }) => sum + Buffer.byteLength(body) + 1, 0),
      );
    }
  }
  rates.sort((a, b) => a - b);
  console.log(`${name.padEnd(34)} ${Math.round(rates[RUNS >> 1]!).toLocaleString("en")} alerts/s`);
}

if (process.argv[2] === "server") runServer();
else {
  const self = fileURLToPath(import.meta.url);
  const server = spawn(process.execPath, [self, "server"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<number>((resolve) =>
    server.stdout.once("data", (text) => resolve(Number(text)))
  );
  const bytes = Buffer.byteLength(alertsOf(1)[0]!.body);
  console.log(`${BATCH} alerts of ${bytes} bytes a call, median of ${RUNS} runs`);
  try {
    const template = {
      mode: "template",
      headers: { "X-Alerts": "1" },
      body: '{"text":"${detection.rule.title}: ${detection.fields.CommandLine}"}',
    } as const;
    const signing = { scheme: "standard", secret: () => "secret" } as const;
    const batch = { headers: { "X-Alerts": String(BATCH) } };
    await run(port, "ndjson", batch, ALERTS);
    await run(port, "ndjson, gzip", { ...batch, gzip: true }, ALERTS);
    await run(port, "ndjson, signed", { ...batch, signing }, ALERTS);
    await run(port, "template", template, TEMPLATE_ALERTS);
    await run(port, "template, signed", { ...template, signing }, TEMPLATE_ALERTS);
  } finally {
    server.kill();
  }
}
