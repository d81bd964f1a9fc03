import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdminApp } from "../../src/admin/app.ts";
import { suggestionReport } from "../../src/admin/observer_view.ts";
import type { FieldReport } from "../../src/runtime/field_report.ts";
import { FakeView } from "./fake_view.ts";

const TOKENS = {
  tokens: [
    { name: "root", role: "admin", secret: () => "root" },
    { name: "op", role: "operator", secret: () => "op" },
    { name: "reader", role: "reader", secret: () => "reader" },
    { name: "none", permissions: ["status:read"], secret: () => "none" },
  ],
} as const;

function make(view = new FakeView()) {
  const app = createAdminApp(view, { auth: TOKENS, limits: { requestsPerSecond: 1e6 } });
  const ask = async (method: string, path: string, token = "root") => {
    const response = await app.hono.fetch(
      new Request(`http://127.0.0.1:9090${path}`, {
        method,
        headers: { authorization: `Bearer ${token}` },
      }),
      { connection: { peer: "127.0.0.1", local: "127.0.0.1", transport: "tcp" } },
    );
    return { status: response.status, body: await response.json() as Record<string, unknown> };
  };
  return { app, view, ask };
}

const PATHS = [
  ["GET", "/api/v1/fields"],
  ["GET", "/api/v1/fields/unknown"],
  ["GET", "/api/v1/fields/missing"],
  ["DELETE", "/api/v1/fields/observer"],
  ["GET", "/api/v1/schemas"],
  ["DELETE", "/api/v1/schemas"],
  ["GET", "/api/v1/schemas/suggestions"],
] as const;

// daemon.md 69 and 77.
for (const [method, path] of PATHS) {
  test(`${method} ${path} while it is off says what to set`, async () => {
    const { status, body } = await make().ask(method, path);
    assert.equal(status, 503);
    assert.equal(
      body["error"],
      path.endsWith("suggestions")
        ? "schema discovery sampling disabled"
        : path.includes("schemas")
        ? "schema observation disabled"
        : "field observation disabled",
    );
    assert.match(String(body["hint"]), /set (?:observe_fields|schema)\.\w+: true/);
    assert.equal(body["code"], "disabled");
  });
}

const REPORT: FieldReport = {
  summary: {
    events_observed: 9,
    unique_keys_observed: 6,
    rule_fields_loaded: 2,
    overflow_dropped: 0,
    max_keys: 10,
    uptime_seconds: 1.5,
    intersection_count: 1,
    unknown_count: 5,
    missing_count: 1,
  },
  unknown: ["a", "b", "c", "d", "e"].map((field) => ({ field, count: 1 })),
  missing: [{
    field: "x",
    rule_count: 1,
    sources: ["detection"],
    rule_titles: ["T"],
    truncated: false,
  }],
};

// daemon.md 72 and 3.16.
test("fields come in pages", async () => {
  const view = new FakeView();
  view.observers.fieldReport = REPORT;
  const { ask } = make(view);
  const { body } = await ask("GET", "/api/v1/fields?limit=2");
  assert.deepEqual(body["summary"], REPORT.summary);
  assert.deepEqual(body["unknown"], {
    items: REPORT.unknown.slice(0, 2),
    total: 5,
    offset: 0,
    limit: 2,
    next_offset: 2,
  });
  assert.deepEqual(body["missing"], {
    items: REPORT.missing,
    total: 1,
    offset: 0,
    limit: 2,
    next_offset: null,
  });
  const last = await ask("GET", "/api/v1/fields/unknown?limit=2&offset=4");
  assert.deepEqual([last.body["items"], last.body["next_offset"]], [
    [{ field: "e", count: 1 }],
    null,
  ]);
  const beyond = await ask("GET", "/api/v1/fields/missing?offset=9");
  assert.deepEqual([beyond.body["items"], beyond.body["next_offset"]], [[], null]);
  assert.deepEqual((await ask("DELETE", "/api/v1/fields/observer")).body, {
    status: "reset",
    previous_keys: 4,
    previous_events: 7,
  });
});

test("schemas and suggestions are answered as the view gives them", async () => {
  const view = new FakeView();
  view.observers.schemaReport = {
    summary: { events_observed: 3, classified: 2, unknown: 1, ambiguous: 0, uptime_seconds: 1 },
    by_schema: [{ schema: "ecs", count: 2 }],
    unknown_shapes: [{ keys: [], count: 1 }],
    routing_pruning: [],
  };
  view.observers.suggested = {
    summary: { events_mined: 0, shapes: 0, clusters: 0, candidates: 0 },
    candidates: [],
    signatures_yaml: "schemas: []\n",
  };
  const { ask } = make(view);
  assert.deepEqual((await ask("GET", "/api/v1/schemas")).body, view.observers.schemaReport);
  const { body } = await ask("GET", "/api/v1/schemas/suggestions");
  assert.deepEqual(suggestionReport.parse(body), view.observers.suggested);
  assert.deepEqual((await ask("DELETE", "/api/v1/schemas")).body, {
    status: "reset",
    previous_classified: 2,
    previous_unknown: 1,
  });
});

// daemon.md 4.2 and rows 23 to 29: who may, and what is written down.
test("readers look, operators reset, and resets are audited", async () => {
  const view = new FakeView();
  view.observers.fieldReport = REPORT;
  const { ask } = make(view);
  assert.equal((await ask("GET", "/api/v1/fields", "reader")).status, 200);
  assert.equal((await ask("GET", "/api/v1/fields", "none")).status, 403);
  assert.equal((await ask("DELETE", "/api/v1/fields/observer", "reader")).status, 403);
  assert.equal((await ask("DELETE", "/api/v1/fields/observer", "op")).status, 200);
  assert.equal((await ask("DELETE", "/api/v1/schemas", "none")).status, 403);
  const audited = view.audit?.rows.filter(({ endpoint, status }) =>
    endpoint === "/api/v1/fields/observer" && status === 200
  );
  assert.deepEqual(audited?.map(({ token, method }) => [token, method]), [["op", "DELETE"]]);
  assert.equal((await ask("POST", "/api/v1/fields/observer")).status, 405);
});
