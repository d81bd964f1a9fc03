import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlatEvent, PlainEvent } from "../../src/decode/flat_event.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { SchemaClassifier } from "../../src/schema/classifier.ts";
import { FieldObserver } from "../../src/schema/field_observer.ts";
import { someLeafName } from "../../src/schema/leaves.ts";
import { MAX_SHAPES, SchemaObserver } from "../../src/schema/observer.ts";
import { MAX_SHAPE_KEYS, ShapeReader } from "../../src/schema/shape.ts";
import { jsonEvent, schemaEvent } from "../arbitraries/schema_event.ts";

function leavesOf(event: LogEvent): readonly string[] {
  const names: string[] = [];
  someLeafName(event, (name) => {
    names.push(name);
    return false;
  });
  return names;
}

// inputs.md, sections 4 and 19 (19, 20), daemon.md 74.
const LEAVES: readonly (readonly [event: unknown, names: readonly string[]])[] = [
  [{ actor: { id: 1, t: 2 }, verb: "v" }, ["actor.id", "actor.t", "verb"]],
  [{ e: [{ id: 1 }] }, ["e"]],
  [{ a: {}, b: null }, ["b"]],
  [{ "a.b": 1 }, ["a.b"]],
  ["x", []],
  [[1, 2], []],
  // Windows events answer to the names of Sigma.
  [
    {
      Event: {
        "#attributes": { xmlns: "x" },
        System: {
          Provider: { "#attributes": { Name: "P", Guid: "g" } },
          EventID: 1,
          Channel: "c",
        },
        EventData: { Image: "x", Data: ["a"] },
      },
    },
    ["Provider_Name", "Provider_Guid", "EventID", "Channel", "Image", "Data"],
  ],
  [
    { Event: { System: { EventID: { "#text": 7, "#attributes": { Qualifiers: 1 } } } } },
    ["Qualifiers", "EventID"],
  ],
  [
    { Event: { System: {}, UserData: { Inner: { Name: "x" } } } },
    ["Name"],
  ],
  [
    { winlog: { channel: "c", event_data: { Image: "x" } }, message: "m" },
    ["Image", "winlog.channel", "message"],
  ],
];

for (const [event, names] of LEAVES) {
  test(`the fields of ${JSON.stringify(event)} are ${names.join(", ") || "none"}`, () => {
    assert.deepEqual(leavesOf(jsonEvent(event)), names);
  });
}

test("lines have the fields they are made of, plain text none", () => {
  assert.deepEqual(leavesOf(new FlatEvent([["a", "1"], ["b.c", "2"]])), ["a", "b.c"]);
  assert.deepEqual(leavesOf(new PlainEvent("x")), []);
});

test("an event deeper than lookups go ends the walk, not the process", () => {
  let text = "1";
  for (let depth = 0; depth < 5000; depth++) text = `{"a":${text}}`;
  assert.doesNotThrow(() => leavesOf(jsonEvent(JSON.parse(text))));
});

// inputs.md, 19 (78, 79); daemon.md 71, 75.
test("FieldObserver counts at most so many names, most frequent first", () => {
  const observer = new FieldObserver(2);
  observer.observe(jsonEvent({ a: 1, b: 1, c: 1, d: 1, e: 1 }));
  observer.observe(jsonEvent({ b: 1 }));
  assert.deepEqual(observer.snapshot(), {
    events: 2,
    lifetimeEvents: 2,
    overflow: 3,
    lifetimeOverflow: 3,
    maxKeys: 2,
    fields: [["b", 2], ["a", 1]],
  });
  observer.reset();
  observer.observe(jsonEvent({ z: 1 }));
  const { events, lifetimeEvents, overflow, lifetimeOverflow, fields } = observer.snapshot();
  assert.deepEqual([events, lifetimeEvents, overflow, lifetimeOverflow], [1, 3, 0, 3]);
  assert.deepEqual(fields, [["z", 1]]);
});

test("FieldObserver refuses no room at all, and cuts endless names", () => {
  assert.throws(() => new FieldObserver(0), RangeError);
  const observer = new FieldObserver();
  observer.observe(jsonEvent({ ["x".repeat(10_000)]: 1, ["x".repeat(9_000)]: 2 }));
  assert.deepEqual(observer.snapshot().fields.map(([name]) => name.length), [256]);
});

test("FieldObserver keeps within its bounds and counts what it keeps", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(schemaEvent), (maxKeys, events) => {
      const observer = new FieldObserver(maxKeys);
      for (const event of events) observer.observe(event);
      const { fields, overflow } = observer.snapshot();
      assert.ok(fields.length <= maxKeys);
      for (const [name, count] of fields) {
        if (name.length === 256) continue;
        const having = events.filter((event) => leavesOf(event).includes(name)).length;
        assert.equal(count, having, name);
      }
      const distinct = new Set(events.flatMap(leavesOf)).size;
      assert.equal(overflow > 0, distinct > maxKeys);
    }),
  );
});

test("observers of threads add up to one that saw everything", () => {
  fc.assert(
    fc.property(fc.array(schemaEvent), fc.array(schemaEvent), (left, right) => {
      const [all, one, two] = [new FieldObserver(), new FieldObserver(), new FieldObserver()];
      const schemas = () => new SchemaObserver(new SchemaClassifier(), true);
      const [allSchemas, oneSchemas, twoSchemas] = [schemas(), schemas(), schemas()];
      for (const event of [...left, ...right]) {
        all!.observe(event);
        allSchemas!.observe(event);
      }
      for (const event of left) {
        one!.observe(event);
        oneSchemas!.observe(event);
      }
      for (const event of right) {
        two!.observe(event);
        twoSchemas!.observe(event);
      }
      one!.merge(structuredClone(two!.snapshot()));
      oneSchemas!.merge(structuredClone(twoSchemas!.snapshot()));
      assert.deepEqual(one!.snapshot(), all!.snapshot());
      assert.deepEqual(oneSchemas!.snapshot(), allSchemas!.snapshot());
      assert.deepEqual(oneSchemas!.lifetime(), allSchemas!.lifetime());
    }),
  );
});

// daemon.md 76, 78.
test("SchemaObserver counts by schema; a reset leaves the lifetime alone", () => {
  const observer = new SchemaObserver(new SchemaClassifier(), false);
  const events = [{ ecs: { version: "8" } }, { Channel: "Microsoft-Windows-Sysmon/Operational" }, {
    foo: 1,
  }, {}];
  for (const event of events) observer.observe(jsonEvent(event));
  const counts = observer.snapshot();
  assert.deepEqual(
    [counts.events, counts.classified, counts.unknown, counts.ambiguous],
    [4, 3, 1, 0],
  );
  assert.deepEqual(counts.bySchema, [["ecs", 1], ["generic_json", 1], ["sysmon", 1]]);
  assert.deepEqual(counts.unknownShapes, [{ keys: [], count: 1 }]);
  assert.deepEqual(counts.minedShapes, []);
  observer.reset();
  observer.observe(jsonEvent({ foo: 1 }));
  assert.deepEqual(observer.snapshot().bySchema, [["generic_json", 1]]);
  assert.deepEqual(observer.lifetime().bySchema, [["generic_json", 2], ["ecs", 1], ["sysmon", 1]]);
  assert.equal(observer.lifetime().unknown, 1);
});

test("SchemaObserver with discovery keeps the shapes of what only has fields, within bounds", () => {
  const observer = new SchemaObserver(new SchemaClassifier(), true);
  observer.observe(jsonEvent({ b: 1, a: 2, _source: "x" }));
  observer.observe(jsonEvent({ a: 1, b: 2 }));
  observer.observe(jsonEvent({ ecs: { version: 1 } }));
  assert.deepEqual(observer.snapshot().minedShapes, [{ keys: ["a", "b"], count: 2 }]);
  for (let number = 0; number < 300; number++) observer.observe(jsonEvent({ [`k${number}`]: 1 }));
  assert.equal(observer.snapshot().minedShapes.length, MAX_SHAPES);
  const wide = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`w${at}`, at]));
  assert.equal(new ShapeReader().shapeOf(jsonEvent(wide)).length, MAX_SHAPE_KEYS);
});
