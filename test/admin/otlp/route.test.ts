/**
 * `POST /v1/logs` of the API: OTLP behind the tokens, limits and answers that all its routes have.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdminApp } from "../../../src/admin/app.ts";
import type { OtlpReceiver } from "../../../src/ingest/otlp.ts";
import { FakeView } from "../fake_view.ts";
import { startReceiver } from "../../support/otlp_receiver.ts";
import { decodeMessage, encodeMessage, requestOf } from "../../support/otlp_schema.ts";

const ONE = encodeMessage("Request", requestOf([{ body: { stringValue: "hello" } }]));

class OtlpView extends FakeView {
  receiver: OtlpReceiver | undefined;

  otlp(): OtlpReceiver | undefined {
    return this.receiver;
  }
}

function make(receiver: OtlpReceiver | undefined, limits = {}) {
  const view = new OtlpView();
  view.receiver = receiver;
  const { hono } = createAdminApp(view, {
    auth: {
      tokens: [
        { name: "shipper", role: "ingest", secret: () => "ingest-secret" },
        { name: "reader", role: "reader", secret: () => "reader-secret" },
      ],
    },
    limits,
  });
  return async (
    token: string | undefined,
    body: Uint8Array = ONE,
    type = "application/x-protobuf",
    tellsLength = true,
  ): Promise<Response> =>
    await hono.fetch(
      new Request("http://127.0.0.1:9090/v1/logs", {
        method: "POST",
        body: body as Uint8Array<ArrayBuffer>,
        headers: {
          "content-type": type,
          ...(tellsLength ? { "content-length": String(body.length) } : {}),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      }),
      { connection: { peer: "127.0.0.1", local: "127.0.0.1", transport: "tcp" } },
    );
}

// daemon.md 3.2 row 33, 3.21.
test("the API takes log records for whoever may ingest", async () => {
  await using receiver = await startReceiver();
  const ask = make(receiver.source);
  assert.equal((await ask(undefined)).status, 401);
  assert.equal((await ask("reader-secret")).status, 403);
  const taken = await ask("ingest-secret");
  assert.equal(taken.status, 200);
  assert.equal(taken.headers.get("content-type"), "application/x-protobuf");
  assert.equal((await taken.arrayBuffer()).byteLength, 0);
  assert.deepEqual(receiver.values(), [{ body: "hello" }]);
  const wrong = await ask("ingest-secret", new Uint8Array([1]));
  assert.equal(wrong.status, 400);
  const status = decodeMessage("Status", new Uint8Array(await wrong.arrayBuffer()));
  assert.equal(status.code, 3);
  assert.match(String(status.message), /^protobuf decode error: /);
});

test("without an input of type otlp the API says what is missing", async () => {
  const answer = await make(undefined)("ingest-secret");
  assert.equal(answer.status, 404);
  const { error, hint } = await answer.json() as Record<string, string>;
  assert.equal(error, "OTLP is not enabled");
  assert.match(hint!, /type otlp/);
});

test("the API's limit of bytes a second holds for log records", async () => {
  await using receiver = await startReceiver();
  const ask = make(receiver.source, {
    ingestBytesPerSecond: ONE.length,
    ingestBurstBytes: ONE.length,
  });
  assert.equal((await ask("ingest-secret")).status, 200);
  const limited = await ask("ingest-secret");
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("retry-after"), "1");
  const status = decodeMessage("Status", new Uint8Array(await limited.arrayBuffer()));
  assert.equal(status.message, "too many bytes a second");
});

test("the API counts the bytes of a body in chunks once it is there", async () => {
  await using receiver = await startReceiver();
  const ask = make(receiver.source, {
    ingestBytesPerSecond: ONE.length,
    ingestBurstBytes: ONE.length,
  });
  const statuses: number[] = [];
  for (let count = 0; count < 3; count++) {
    statuses.push((await ask("ingest-secret", ONE, undefined, false)).status);
  }
  // The first two fit before and into the burst; then it is owed.
  assert.deepEqual(statuses, [200, 200, 429]);
});
