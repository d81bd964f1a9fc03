import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EvtxEvent } from "../../../src/decode/evtx/event.ts";
import { scalarText } from "../../../src/event/value.ts";
import { scalarValue, windowsEvent } from "../../arbitraries/evtx.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";
import { eventRecord, guidOf, type WindowsEventSpec } from "../../support/evtx_event.ts";
import { element, instance, normal, template } from "../../support/evtx_tree.ts";
import { real64 } from "../../support/evtx_values.ts";
import { oneChunk, writeEvtx, writeEvtxFile } from "../../support/evtx_writer.ts";

test("decodeChunk() gives back every event that writeEvtx() wrote", () => {
  fc.assert(fc.property(fc.array(windowsEvent, { minLength: 1, maxLength: 8 }), (cases) => {
    const records = cases.map(({ spec, style }) => eventRecord(spec, 0n, style));
    const { bytes } = writeEvtxFile([{ records }]);
    const decoded = decodeEvtx(bytes);
    assert.deepEqual(decoded.problems, []);
    assert.deepEqual(decoded.records.map(({ value }) => value), cases.map((each) => each.expected));
  }));
});

test("an event's snapshot says what the event said", () => {
  fc.assert(fc.property(fc.array(windowsEvent, { minLength: 1, maxLength: 4 }), (cases) => {
    const records = cases.map(({ spec, style }) => eventRecord(spec, 0n, style));
    const kept: EvtxEvent[] = [];
    const decoded = decodeEvtx(oneChunk(records).bytes, {}, (event) => kept.push(event.snapshot()));
    assert.deepEqual(
      kept.map((event) => event.toValue()),
      decoded.records.map(({ value }) => value),
    );
  }));
});

test("a value reads the same whatever values stand around it", () => {
  fc.assert(fc.property(fc.array(scalarValue, { maxLength: 30 }), (values) => {
    const names = values.map((_, at) => `V${at}`);
    const tree = template(
      guidOf(`values ${values.length}`),
      element("Event", {}, names.map((name, at) => element(name, {}, [normal(at, 0x01)]))),
    );
    const body = [instance(tree, values.map(({ value }) => value))];
    const { records: [record] } = decodeEvtx(oneChunk([{ id: 1n, writtenTicks: 0n, body }]).bytes);
    const members = values.map(({ expected }, at) => [names[at]!, expected ?? null] as const);
    // A record whose root has nothing at all in it was never finished, so it is not reported.
    if (values.length === 0) assert.equal(record, undefined);
    else assert.deepEqual(record!.value, { Event: Object.fromEntries(members) });
  }));
});

test("writeEvtx() over many chunks reads back in order, with and without templates", () => {
  const events = Array.from({ length: 400 }, (_, n): WindowsEventSpec => ({
    channel: "Application",
    provider: `Provider ${n % 7}`,
    eventId: n % 5,
    time: "2024-01-17T21:20:00.0000001Z",
    computer: "host",
    data: { Number: n, Text: "x".repeat(n) },
  }));
  for (const templateless of [false, true]) {
    const { bytes, records } = writeEvtx(events, { templateless });
    const decoded = decodeEvtx(bytes);
    assert.deepEqual(decoded.problems, []);
    assert.deepEqual(decoded.records.map(({ offset }) => offset), records.map((r) => r.offset));
    assert.ok(new Set(records.map(({ chunk }) => chunk)).size > 3);
    decoded.records.forEach(({ id, value }, at) => {
      assert.equal(id, at + 1);
      const { EventData } =
        (value as { Event: { EventData: Record<string, string | number> } }).Event;
      assert.equal(scalarText(EventData["Number"]), String(at));
      assert.equal(EventData["Text"], "x".repeat(at));
    });
  }
});

test("real numbers read as the shortest text that gives them back (section 8)", () => {
  const tree = template(guidOf("real"), element("Event", {}, [normal(0, 0x0c)]));
  fc.assert(fc.property(fc.double({ noNaN: true }), (value) => {
    const body = [instance(tree, [real64(value)])];
    const [record] = decodeEvtx(oneChunk([{ id: 1n, writtenTicks: 0n, body }]).bytes).records;
    const text = (record!.value as { readonly Event: string }).Event;
    assert.equal(typeof text, "string");
    assert.equal(Number(text.replace("inf", "Infinity")), value);
    assert.ok(!text.includes("e"));
  }));
});
