import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlatEvent, PlainEvent } from "../../src/decode/flat_event.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import type { Signature } from "../../src/schema/builtin.ts";
import { rankSignatures, SchemaClassifier } from "../../src/schema/classifier.ts";
import { foldAscii, holds, type Predicate } from "../../src/schema/predicate.ts";
import { jsonEvent, SCHEMA_FIELDS, schemaEvent } from "../arbitraries/schema_event.ts";

const SYSMON = "Microsoft-Windows-Sysmon/Operational";

// inputs.md, sections 13.2 and 19 (62 to 69): event, schema, specificity.
const EVENTS: readonly (readonly [event: unknown, schema: string | undefined, rank?: number])[] = [
  [{ ecs: { version: "8" } }, "ecs", 100],
  [{ "ecs.version": "8" }, "ecs", 100],
  [{ ecs: { version: null } }, "ecs", 100],
  [{ ecs: { version: "8" }, winlog: { channel: "Security" } }, "ecs_windows", 105],
  [{ ecs: { version: "8" }, host: { os: { type: "Windows" } } }, "ecs_windows", 105],
  [{ ecs: { version: "8" }, "host.os.kernel": "6.1" }, "ecs_linux", 105],
  [{ class_uid: 1, metadata: { version: "1" } }, "ocsf", 95],
  [
    { protoPayload: { "@type": "type.googleapis.com/google.cloud.audit.AuditLog" } },
    "gcp_audit",
    95,
  ],
  [{ kind: "Event", apiVersion: "audit.k8s.io/v1", auditID: "x" }, "k8s_audit", 92],
  [{ kind: "Event", apiVersion: "apps/v1", auditID: "x" }, "generic_json", 0],
  [{ action: "a", actor: "b", org: "c", created_at: 1 }, "github_audit", 92],
  [{ Event: { System: { EventID: 1 } } }, "windows_eventlog", 90],
  [{ Event: { System: { EventID: 1, Channel: SYSMON } } }, "windows_eventlog", 90],
  [
    { category: "policy", id: "/Subscriptions/1", operationName: "x" },
    "azure_activitylogs",
    90,
  ],
  [{ category: "AuditLogs", properties: { activityDisplayName: "x" } }, "azure_auditlogs", 90],
  [{ category: "SignInLogs", properties: { userDisplayName: "x" } }, "azure_signinlogs", 90],
  [{ resourceId: "/subscriptions/1" }, "generic_json", 0],
  [{ id: "/subscriptions/1" }, "azure", 65],
  [{ Channel: SYSMON }, "sysmon", 88],
  [{ Channel: SYSMON.toUpperCase() }, "sysmon", 88],
  [{ Provider_Name: "microsoft-windows-sysmon" }, "sysmon", 88],
  [{ EventID: 1, ProcessGuid: "{x}", CommandLine: "x" }, "sysmon", 80],
  [{ eventType: "a", actor: {}, published: "b", outcome: {} }, "okta_system_log", 88],
  [{ RecordType: 1, Operation: "a", CreationTime: "b", Workload: "c" }, "m365_audit", 88],
  [{ deviceVendor: "a", deviceProduct: "b", signatureId: "c" }, "cef", 85],
  [{ eventVersion: "1", eventSource: "a", eventID: "b", userIdentity: {} }, "aws_cloudtrail", 85],
  [{ event_type_id: 1, account_id: 2, actor_user_id: 3 }, "onelogin_events", 85],
  [{ srcaddr: "1.2.3.4", dstaddr: "1.2.3.5", action: "accept" }, "aws_vpcflow", 80],
  [{ srcaddr: "1.2.3.4", dstaddr: "1.2.3.5", action: "NODATA" }, "generic_json", 0],
  [{ name: "a", hostIdentifier: "b", action: "added", columns: {} }, "osquery_result", 75],
  [{ Type: "a", Action: "b", Actor: {} }, "docker_events", 70],
  // Ours: Windows events as Sigma spells them.
  [{ EventID: 4688, Channel: "Security", Provider_Name: "x" }, "windows_eventlog", 86],
  [{ EventID: 7045, Provider_Name: "Service Control Manager" }, "windows_eventlog", 78],
  [{ winlog: { channel: "Security", event_id: 4688 } }, "windows_eventlog", 86],
  [{ foo: 1 }, "generic_json", 0],
  [{ foo: [] }, "generic_json", 0],
  [{ foo: { bar: {} } }, undefined],
  [{}, undefined],
  ["x", undefined],
  [42, undefined],
  [[], undefined],
];

for (const [value, schema, rank] of EVENTS) {
  test(`classify() ${JSON.stringify(value)} is ${schema ?? "unknown"}`, () => {
    const found = new SchemaClassifier().classify(jsonEvent(value));
    assert.equal(found?.schema, schema);
    assert.equal(found?.specificity, rank);
  });
}

// inputs.md, 19 (68) and 13.2: what lines become.
const LINES: readonly (readonly [event: LogEvent, schema: string | undefined])[] = [
  [new PlainEvent("disk full"), undefined],
  [new FlatEvent([["_raw", "disk full"]]), "generic_json"],
  [new FlatEvent([]), undefined],
  [parseLine("CEF:0|Sec|IDS|1|100|Attack|9|src=1.2.3.4")!, "cef"],
  [parseLine("<34>Oct 11 22:14:15 h su: x", "syslog")!, "generic_json"],
];

for (const [event, schema] of LINES) {
  test(`classify() of ${JSON.stringify(event.toValue())} is ${schema ?? "unknown"}`, () => {
    assert.equal(new SchemaClassifier().classify(event)?.schema, schema);
  });
}

function own(name: string, specificity: number, ...predicates: readonly Predicate[]): Signature {
  return { name, specificity, predicates, isOwn: true };
}
const present = (name: string): Predicate => ({ kind: "present", field: internField(name) });

// inputs.md, 19 (70, 71).
test("a signature of one's own beats generic_json and ties by name", () => {
  const event = jsonEvent({ foo: 1, bar: 2 });
  const one = new SchemaClassifier([own("mine", 50, present("foo"))]);
  assert.deepEqual(one.classify(event), { schema: "mine", specificity: 50, isAmbiguous: false });
  const two = new SchemaClassifier([own("b", 50, present("foo")), own("a", 50, present("bar"))]);
  assert.deepEqual(two.classify(event), { schema: "a", specificity: 50, isAmbiguous: true });
  const same = new SchemaClassifier([own("a", 50, present("foo")), own("a", 50, present("bar"))]);
  assert.equal(same.classify(event)?.isAmbiguous, false, "two signatures of one schema agree");
});

test("explain() names the winner, or what an unknown event comes closest to", () => {
  const classifier = new SchemaClassifier();
  const won = classifier.explain(jsonEvent({ class_uid: 1, metadata: { version: "1" } }));
  assert.equal(won?.signature.name, "ocsf");
  assert.deepEqual(won?.predicates, [
    { predicate: "field_present(class_uid)", matched: true },
    { predicate: "field_present(metadata.version)", matched: true },
  ]);
  const none = classifier.explain(new PlainEvent("x"));
  assert.equal(none?.signature.name, "ecs_linux", "the first of those of which nothing holds");
});

/** Every signature, one after the other: what the classifier must agree with. */
function classifyNaively(signatures: readonly Signature[], event: LogEvent) {
  const matching = rankSignatures(signatures)
    .filter(({ predicates }) => predicates.every((one) => holds(one, event)));
  const [first] = matching;
  if (first === undefined) return undefined;
  const { name: schema, specificity } = first;
  const isAmbiguous = matching.some((other) =>
    other.specificity === specificity && other.name !== schema
  );
  return { schema, specificity, isAmbiguous };
}

const field = fc.constantFrom(...SCHEMA_FIELDS, "foo", "a.b", "_raw").map(internField);
const text = fc.constantFrom("Event", "windows", "1", "x");
const predicate: fc.Arbitrary<Predicate> = fc.letrec<{ one: Predicate }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    field.map((one) => ({ kind: "present" as const, field: one })),
    field.map((one) => ({ kind: "absent" as const, field: one })),
    fc.array(field, { minLength: 1, maxLength: 3 })
      .map((fields) => ({ kind: "any_of" as const, fields })),
    fc.tuple(field, text).map(([one, value]) => ({
      kind: "equals" as const,
      field: one,
      value,
      folded: foldAscii(value),
    })),
    fc.tuple(field, fc.array(text, { minLength: 1, maxLength: 2 })).map(([one, values]) => ({
      kind: "in" as const,
      field: one,
      values,
      folded: new Set(values.map(foldAscii)),
    })),
    fc.tuple(field, fc.constantFrom("gt", "lte"), fc.integer()).map(([one, comparison, value]) => ({
      kind: "compare" as const,
      comparison: comparison as "gt" | "lte",
      field: one,
      value,
    })),
    fc.tuple(field, field).map(([left, right]) => ({ kind: "same" as const, left, right })),
    fc.constant({ kind: "has_any_field" as const }),
    tie("one").map((one) => ({ kind: "not" as const, predicate: one })),
    fc.array(tie("one"), { minLength: 1, maxLength: 3 })
      .map((predicates) => ({ kind: "any" as const, predicates })),
    fc.array(tie("one"), { minLength: 1, maxLength: 3 })
      .map((predicates) => ({ kind: "all" as const, predicates })),
  ),
})).one;

const signature = fc.record({
  name: fc.constantFrom("mine", "other", "ecs"),
  specificity: fc.constantFrom(0, 50, 90, 100, 200),
  predicates: fc.array(predicate, { minLength: 1, maxLength: 3 }),
  isOwn: fc.constant(true),
});

test("classify() agrees with asking every signature, whatever came before", () => {
  fc.assert(
    fc.property(
      fc.array(signature, { maxLength: 4 }),
      fc.array(schemaEvent, { maxLength: 12 }),
      (signatures, events) => {
        const classifier = new SchemaClassifier(signatures);
        for (const event of [...events, ...events]) {
          assert.deepEqual(
            classifier.classify(event),
            classifyNaively(classifier.signatures, event),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});
