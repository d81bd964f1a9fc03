/**
 * OTLP through the built executable: exporters of the SDK send, a rule fires, a collector gets the
 * alert; and what was answered survives a kill.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { AgentProcess } from "../support/agent_process.ts";
import { serve } from "../support/http_servers.ts";
import { writeEvilRule } from "../support/log_lines.ts";
import { callGrpc, exportBy, exporterOf, EXPORTERS, frame } from "../support/otlp_client.ts";
import { decodeMessage } from "../support/otlp_schema.ts";
import { type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
const LOGSOURCE = { product: "linux", category: "process_creation" };

function config(
  files: Scratch,
  source: Readonly<Record<string, unknown>>,
  sink: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return {
    rules: { paths: [files.file("rule.yml")] },
    sources: [{ id: "collector", type: "otlp", logsource: LOGSOURCE, ...source }],
    sinks: [{ id: "out", ...sink }],
    state: { path: files.file("state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  };
}

/** Where a listener of OTLP is. */
async function listener(agent: AgentProcess, transport: "http" | "grpc"): Promise<string> {
  return await agent.until(
    () =>
      agent.log.find(({ fields }) =>
        fields.message === "OTLP listening" && fields.transport === transport
      )?.fields.addr as string | undefined,
    `the ${transport} listener`,
  );
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

/** The records of requests, as an independent library reads them. */
function recordsOf(body: Buffer): readonly { body: unknown; attributes: readonly Attribute[] }[] {
  const request = decodeMessage("Request", body) as {
    resourceLogs: { scopeLogs: { logRecords: { body: unknown; attributes: Attribute[] }[] }[] }[];
  };
  return request.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords)
  );
}

test("exporters send, a rule fires, a collector has the alerts", { skip }, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  await using collector = await serve(() => ({}));
  await using agent = await AgentProcess.start(files, {
    config: config(
      files,
      { http: "127.0.0.1:0", grpc: "127.0.0.1:0", body: "parse", format: "json" },
      { type: "otlp", endpoint: collector.url },
    ),
  });
  const urls = { http: await listener(agent, "http"), grpc: await listener(agent, "grpc") };
  const commands: string[] = [];
  for (const kind of EXPORTERS) {
    const exporter = exporterOf(kind, kind === "grpc" ? urls.grpc : urls.http, { gzip: true });
    const command = `/tmp/evil --by ${kind}`;
    commands.push(command, `${command} --parsed`);
    try {
      const error = await exportBy(exporter, [
        { body: { CommandLine: command } },
        { body: JSON.stringify({ CommandLine: `${command} --parsed` }) },
        { body: { CommandLine: "/usr/bin/worker" } },
      ]);
      assert.equal(error, undefined);
    } finally {
      await exporter.shutdown();
    }
  }
  // The API's own listener takes the same.
  commands.push("/tmp/evil --by api");
  const posted = await agent.api("/v1/logs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceLogs: [{
        scopeLogs: [{
          logRecords: [{
            body: {
              kvlistValue: {
                values: [{ key: "CommandLine", value: { stringValue: "/tmp/evil --by api" } }],
              },
            },
          }],
        }],
      }],
    }),
  });
  assert.equal(posted.status, 200);
  const records = () =>
    collector.seen.flatMap(({ headers, body }) =>
      recordsOf(headers["content-encoding"] === "gzip" ? gunzipSync(body) : body)
    );
  await agent.until(() => records().length >= commands.length || undefined, "all alerts");
  const found = records().map(({ attributes }) => JSON.stringify(attributes));
  for (const command of commands) {
    assert.equal(found.filter((text) => text.includes(`"${command}"`)).length, 1, command);
  }
  assert.deepEqual(records()[0]!.body, { stringValue: "Evil Command Line" });
  assert.ok(
    records().every(({ attributes }) =>
      attributes.some(({ key, value }) =>
        key === "picket.msg_id" && /^pk1-/.test(value.stringValue!)
      )
    ),
  );

  const metrics = await (await fetch(`${await agent.url()}/metrics`)).text();
  for (
    const line of [
      'picket_otlp_requests_total{transport="grpc",encoding="protobuf"} 1',
      'picket_otlp_requests_total{transport="http",encoding="json"} 2',
      "picket_otlp_log_records_total 10",
    ]
  ) assert.ok(metrics.includes(line), line);
  assert.equal(await agent.end(), 0);
});

/** What an answered record was, by its number. */
function delivered(files: Scratch): ReadonlyMap<number, number> {
  const path = files.file("out.ndjson");
  const counts = new Map<number, number>();
  if (!existsSync(path)) return counts;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const number = Number(/evil --job (\d+)/.exec(line)?.[1] ?? NaN);
    if (Number.isInteger(number)) counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

test("what an exporter was answered survives a kill", { skip }, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  const settings = {
    config: config(files, { http: "127.0.0.1:0", grpc: "127.0.0.1:0" }, {
      type: "file",
      path: files.file("out.ndjson"),
    }),
  };
  const answered: number[] = [];
  let number = 0;
  for (let run = 0; run < 3; run++) {
    await using agent = await AgentProcess.start(files, settings);
    const urls = { http: await listener(agent, "http"), grpc: await listener(agent, "grpc") };
    const exporters = EXPORTERS.map((kind) =>
      exporterOf(kind, kind === "grpc" ? urls.grpc : urls.http, { timeoutMs: 1000 })
    );
    let isKilled = false;
    const sender = async (exporter: typeof exporters[number]): Promise<void> => {
      while (!isKilled) {
        const own = number++;
        const error = await exportBy(exporter, [
          { body: { CommandLine: `/tmp/evil --job ${own}` } },
        ]);
        if (error === undefined) answered.push(own);
      }
    };
    const senders = exporters.map(sender);
    await agent.until(() => answered.length >= (run + 1) * 40 || undefined, "answers");
    await agent.end("SIGKILL");
    isKilled = true;
    await Promise.all(senders);
    for (const exporter of exporters) await exporter.shutdown();
  }
  await using last = await AgentProcess.start(files, settings);
  await last.until(
    () => answered.every((one) => delivered(files).has(one)) || undefined,
    "every answered record",
  );
  assert.equal(await last.end(), 0);
  const counts = delivered(files);
  assert.deepEqual(answered.filter((one) => !counts.has(one)), []);
  console.log(`${answered.length} records answered over 3 kills, ${counts.size} delivered`);
});

test("gzip bombs cost the agent neither its memory nor its neighbours", {
  skip: skip || (process.platform === "linux" ? false : "memory is read from /proc"),
}, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  await using agent = await AgentProcess.start(files, {
    config: config(files, { http: "127.0.0.1:0", grpc: "127.0.0.1:0" }, {
      type: "file",
      path: files.file("out.ndjson"),
    }),
  });
  const urls = { http: await listener(agent, "http"), grpc: await listener(agent, "grpc") };
  const member = gzipSync(Buffer.alloc(1 << 20), { level: 9 });
  const bomb = Buffer.concat(Array.from({ length: 3900 }, () => member));
  const before = agent.residentBytes();
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, agent.residentBytes()), 10);
  const started = performance.now();
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, async () => {
        const response = await fetch(`${urls.http}/v1/logs`, {
          method: "POST",
          headers: { "content-type": "application/x-protobuf", "content-encoding": "gzip" },
          body: bomb,
        });
        await response.body?.cancel();
        return response.status;
      }),
      callGrpc(urls.grpc, {
        bytes: frame(bomb, true),
        headers: { "grpc-encoding": "gzip" },
      }).then((answer) => answer?.status["grpc-status"]),
    ]);
    assert.deepEqual(answers, [413, 413, 413, 413, "8"]);
    const exporter = exporterOf("grpc", urls.grpc);
    const error = await exportBy(exporter, [{ body: { CommandLine: `/tmp/evil --job ${round}` } }]);
    await exporter.shutdown();
    assert.equal(error, undefined);
  }
  const seconds = (performance.now() - started) / 1000;
  clearInterval(timer);
  const grown = Math.round((peak - before) / 2 ** 20);
  console.log(
    `25 bombs of ${bomb.length} bytes (3.8 GiB each): ${seconds.toFixed(1)} s, +${grown} MiB`,
  );
  assert.ok(grown < 400, `${grown} MiB`);
  await agent.until(() => delivered(files).size === 5 || undefined, "the neighbours");
  assert.equal(await agent.end(), 0);
});
