/**
 * The HTTP sink against servers that misbehave: every alert arrives, nothing goes where it must not.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { appendFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { AgentProcess } from "../support/agent_process.ts";
import { evilNumbers, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";
import { type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
const LINES = 5000;

/** What a misbehaving server does with one request; `true` if it has taken the alerts. */
type Manner = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A server that misbehaves in turn and keeps what it took, by alert id. */
class Centre implements AsyncDisposable {
  readonly taken = new Map<string, number>();
  requests = 0;
  repeated = 0;
  readonly #server: Server;
  #manners: Manner[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Centre> {
    const server = createServer((request, response) => void centre.#take(request, response));
    const centre = new Centre(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return centre;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/alerts`;
  }

  /** The next requests are met with these, then with 200. */
  expect(...manners: Manner[]): void {
    this.#manners = manners;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    const blocks: Uint8Array[] = [];
    try {
      for await (const block of request) blocks.push(block as Uint8Array);
    } catch {
      return;
    }
    const manner = this.#manners.shift() ?? ok;
    if (!manner(request, response)) return;
    const bytes = Buffer.concat(blocks);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes;
    for (const line of body.toString("utf8").split("\n").filter((one) => one !== "")) {
      const alert = JSON.parse(line) as Parameters<typeof numberOf>[0] & { alert_id: string };
      if (this.taken.has(alert.alert_id)) this.repeated++;
      this.taken.set(alert.alert_id, numberOf(alert));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const ok: Manner = (_request, response) => {
  response.writeHead(200).end();
  return true;
};
const status = (code: number, headers: Record<string, string> = {}): Manner => (_, response) => {
  response.writeHead(code, headers).end("no");
  return false;
};
/** Takes the request and never answers. */
const hang: Manner = () => false;
/** Takes the alerts, but its answer is cut off. */
const cutAnswer: Manner = (_request, response) => {
  response.writeHead(200, { "content-length": "1000" });
  response.write("half");
  setTimeout(() => response.destroy(), 20);
  return true;
};
const closeAtOnce: Manner = (request) => {
  request.socket.destroy();
  return false;
};

function config(files: Scratch, url: string, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    rules: { paths: [files.file("rule.yml")] },
    sources: [{
      id: "app",
      type: "file",
      paths: [files.file("app.log")],
      format: "json",
      start_at: "start",
    }],
    sinks: [{
      id: "centre",
      type: "http",
      url,
      timeout: "1s",
      batch_max: 10,
      backoff_base: "20ms",
      backoff_max: "200ms",
      ...more,
    }],
    state: { path: files.file("state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  };
}

function write(files: Scratch): void {
  const lines = Array.from({ length: LINES }, (_, number) => logLine(number));
  appendFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
}

test("500, 429 with Retry-After, hanging, closing: every alert arrives, in the end", {
  skip,
}, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  await using centre = await Centre.start();
  centre.expect(
    ...[status(500), status(503), closeAtOnce, status(429, { "retry-after": "1" }), hang],
    ...[status(408), cutAnswer, status(502), status(425)],
  );
  await using agent = await AgentProcess.start(files, {
    config: { ...config(files, centre.url, { gzip: true }) },
  });
  write(files);
  const expected = evilNumbers(LINES);
  await agent.until(() => centre.taken.size >= expected.length || undefined, "all alerts", 60_000);
  assert.deepEqual([...centre.taken.values()].sort((a, b) => a - b), expected);
  // Only the batch whose answer was cut may come again; its ids say so.
  assert.ok(centre.repeated <= 10, `${centre.repeated} repeated`);
  assert.equal(await agent.end(), 0);
  console.log(`${centre.requests} requests, ${centre.repeated} alerts repeated after a cut answer`);
});

test("401 and 404 pause the sink and keep the spool; it goes on when they are mended", {
  skip,
}, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  await using centre = await Centre.start();
  centre.expect(status(401), status(404), status(403));
  await using agent = await AgentProcess.start(files, {
    config: { ...config(files, centre.url) },
  });
  write(files);
  const paused = await agent.until(async () => {
    const { body } = await agent.api("/api/v1/sinks");
    const [sink] = (body as { items: { state: string; backlog: { alerts: number } }[] }).items;
    return sink?.state === "paused" && sink.backlog.alerts === LINES / 100 ? sink : undefined;
  }, "the sink to pause");
  assert.equal(centre.taken.size, 0);
  assert.equal(paused.backlog.alerts, 50);
  for (let tries = 0; tries < 40 && centre.taken.size < 50; tries++) {
    await agent.api("/api/v1/sinks/centre/retry", { method: "POST" });
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.deepEqual([...centre.taken.values()].sort((a, b) => a - b), evilNumbers(LINES));
  assert.equal(await agent.end(), 0);
});

test("a redirect to cloud metadata is not followed, and the address itself is refused", {
  skip,
}, async () => {
  for (const followed of [true, false]) {
    using files = scratch();
    writeEvilRule(files.file("rule.yml"));
    await using centre = await Centre.start();
    const metadata = "http://169.254.169.254/latest/meta-data/";
    centre.expect(...Array.from({ length: 1000 }, () => status(307, { location: metadata })));
    await using agent = await AgentProcess.start(files, {
      config: {
        ...config(
          files,
          followed ? centre.url : metadata,
          followed ? { max_redirects: 3 } : {},
        ),
      },
    });
    write(files);
    const sink = await agent.until(async () => {
      const { body } = await agent.api("/api/v1/sinks");
      const [one] = (body as { items: { error: string | null; backlog: { alerts: number } }[] })
        .items;
      return one?.error && one.backlog.alerts === 50 ? one : undefined;
    }, "the sink to fail and all alerts to stay in the spool");
    assert.match(sink.error!, /egress policy denied link-local address 169\.254\.169\.254/);
    assert.equal(await agent.end(), 0);
  }
});
