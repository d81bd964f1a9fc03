import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileRegex } from "../../src/engine/regex/compile.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { BUILT_IN_SIGNATURES } from "../../src/schema/builtin.ts";
import { SchemaClassifier } from "../../src/schema/classifier.ts";
import { parseSchemaConfig } from "../../src/schema/config.ts";
import {
  discoverSchemas,
  type DiscoveryOptions,
  discoveryReport,
} from "../../src/schema/discovery.ts";
import { describePredicate, holds } from "../../src/schema/predicate.ts";
import { isMarker, SampleCollector } from "../../src/schema/samples.ts";
import { jsonEvent, schemaEvent } from "../arbitraries/schema_event.ts";

function discover(events: readonly LogEvent[], options: DiscoveryOptions = {}, maxValues = 8) {
  const samples = new SampleCollector(maxValues);
  for (const event of events) samples.add(event);
  return discoverSchemas(samples.groups(), BUILT_IN_SIGNATURES, options);
}

function times(count: number, event: (at: number) => unknown): LogEvent[] {
  return Array.from({ length: count }, (_, at) => jsonEvent(event(at)));
}

const FIREWALL = times(10, (at) => ({
  vendor: "acme",
  verdict: at % 2 === 0 ? "allow" : "deny",
  src: `10.0.0.${at}`,
  bytes: at,
}));
const DOOR = times(5, (at) => ({ badge: at, door: `D${at}`, opened: true }));

// inputs.md, section 16.
test("discoverSchemas() proposes what tells one kind of event from the others", () => {
  const found = discover([...FIREWALL, ...DOOR, jsonEvent({ once: 1 })]);
  const { summary, candidates, signatures_yaml: yaml } = discoveryReport(found, 2);
  assert.deepEqual(summary, {
    events_mined: 16,
    shapes: 3,
    clusters: 3,
    candidates: 2,
    parse_errors: 2,
  });
  assert.deepEqual(candidates.map(({ name, support, source }) => [name, support, source]), [
    ["discovered_bytes", 10, "corpus"],
    ["discovered_badge", 5, "corpus"],
  ]);
  assert.deepEqual(candidates[0]!.predicates, ["field_present(bytes)"]);
  assert.deepEqual(candidates[0]!.specificity, 60);
  assert.deepEqual(candidates[0]!.sample_field_sets, [["bytes", "src", "vendor", "verdict"]]);
  assert.equal(candidates[0]!.coverage_of_unknown, 10 / 16);
  assert.deepEqual(candidates[0]!.overlap_warnings, []);
  const { signatures } = parseSchemaConfig(yaml, "y", (source) => compileRegex(source, ""));
  const classifier = new SchemaClassifier(signatures);
  assert.equal(classifier.classify(FIREWALL[3]!)?.schema, "discovered_bytes");
  assert.equal(classifier.classify(DOOR[3]!)?.schema, "discovered_badge");
});

test("values tell events of the same fields apart, if they may", () => {
  const same = { user: 1, host: 2, site: 3 };
  const login = times(4, () => ({ kind: "login", ...same, way: 4 }));
  const logout = times(4, () => ({ kind: "logout", ...same }));
  const found = discover([...login, ...logout]);
  assert.deepEqual(
    found.candidates.map((
      { name, specificity, predicates },
    ) => [name, specificity, ...predicates.map(describePredicate)]),
    [
      ["discovered_logout", 70, 'kind == "logout"'],
      ["discovered_way", 60, "field_present(way)"],
    ],
  );
  const blind = discover([...login, ...logout], { valueMarkers: false }, 0);
  assert.equal(blind.candidates.length, 1);
  assert.equal(blind.candidates[0]!.source, "keys-only");
});

test("what no predicates can tell apart is warned of", () => {
  const found = discover([
    ...times(4, () => ({ a: 1, b: 1, c: 1, d: 1 })),
    ...times(4, () => ({ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 })),
  ]);
  const warned = found.candidates.filter(({ overlapWarnings }) => overlapWarnings.length > 0);
  assert.equal(warned.length, 1);
  assert.match(warned[0]!.overlapWarnings[0]!, /3 predicates do not tell it from 4 other events/);
});

test("too little support, and shapes that are alike", () => {
  assert.deepEqual(discover(times(2, () => ({ a: 1 }))).candidates, []);
  const alike = discover([
    ...times(3, () => ({ a: 1, b: 1, c: 1 })),
    ...times(3, () => ({ a: 1, b: 1, c: 1, d: 1 })),
  ]);
  assert.equal(alike.clusters, 1);
  assert.equal(alike.candidates[0]!.support, 6);
  assert.equal(discover(FIREWALL, { maxCandidates: 0 }).candidates.length, 0);
});

// inputs.md, section 16: what is no marker.
const MARKERS: readonly (readonly [value: string, isTelling: boolean])[] = [
  ["login", true],
  ["a-b_c.d", true],
  ["1.2.3", true],
  ["", false],
  ["two words", false],
  ["a/b", false],
  ["C:\\x", false],
  ["10.0.0.1", false],
  ["1.2.3.4.5", false],
  ["x".repeat(64), true],
  ["x".repeat(65), false],
  ["é".repeat(33), false],
];

for (const [value, isTelling] of MARKERS) {
  test(`${JSON.stringify(value)} ${isTelling ? "can" : "cannot"} tell a schema`, () => {
    assert.equal(isMarker(value), isTelling);
  });
}

test("a proposal does not depend on the order of events and fits a schema file", () => {
  const few = fc.record({
    a: fc.constantFrom("x", "y"),
    b: fc.constantFrom("p", "q q"),
    c: fc.integer({ max: 2, min: 0 }),
    d: fc.constantFrom("1.2.3.4", "z"),
  }, { requiredKeys: [] }).map((value) => jsonEvent(value));
  fc.assert(
    fc.property(fc.array(fc.oneof(few, schemaEvent), { maxLength: 30 }), fc.nat(), (events, at) => {
      const turned = [
        ...events.slice(at % (events.length + 1)),
        ...events.slice(0, at % (events.length + 1)),
      ]
        .reverse();
      const report = discoveryReport(discover(events));
      assert.deepEqual(discoveryReport(discover(turned)), report);
      const { signatures } = parseSchemaConfig(
        report.signatures_yaml,
        "y",
        (source) => compileRegex(source, ""),
      );
      assert.deepEqual(
        signatures.map(({ name }) => name),
        report.candidates.map(({ name }) => name),
      );
    }),
  );
});

test("a proposal holds for most events that it was made from", () => {
  const found = discover([...FIREWALL, ...DOOR]);
  for (const { predicates, support } of found.candidates) {
    const held = [...FIREWALL, ...DOOR]
      .filter((event) => predicates.every((one) => holds(one, event))).length;
    assert.equal(held, support);
  }
});
