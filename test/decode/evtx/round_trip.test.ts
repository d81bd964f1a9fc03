import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "../../../src/decode/evtx/byte_buffer.ts";
import type { EvtxEvent } from "../../../src/decode/evtx/event.ts";
import { JsonTextWriter } from "../../../src/decode/evtx/json_text.ts";
import { toXml } from "../../../src/decode/evtx/xml.ts";
import { jsonText } from "../../../src/event/json_text.ts";
import { scalarText } from "../../../src/event/value.ts";
import { scalarValue, windowsEvent } from "../../arbitraries/evtx.ts";
import { explain } from "../../corpus/evtx_differences.ts";
import { leaves, projectXml } from "../../corpus/evtx_projection.ts";
import { outermost } from "../../corpus/evtx_xml.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";
import { eventRecord, guidOf, type WindowsEventSpec } from "../../support/evtx_event.ts";
import { element, instance, normal, template } from "../../support/evtx_tree.ts";
import { real64 } from "../../support/evtx_values.ts";
import { oneChunk, writeEvtx, writeEvtxFile } from "../../support/evtx_writer.ts";

function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

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

test("JsonTextWriter writes the text of toValue(), whatever it wrote before", () => {
  const cases = fc.array(windowsEvent, { minLength: 1, maxLength: 6 });
  fc.assert(fc.property(cases, fc.infiniteStream(fc.nat({ max: 5 })), (events, order) => {
    // Records again and again in any order: the writer keeps what it compiled for their shapes.
    const records = Array.from({ length: 20 }, () => events[order.next().value! % events.length]!)
      .map(({ spec, style }) => eventRecord(spec, 0n, style));
    const writer = new JsonTextWriter();
    const out = new ByteBuffer();
    const [first, second] = [records.slice(0, 10), records.slice(10)];
    const file = writeEvtxFile([{ records: first }, { records: second }]);
    decodeEvtx(file.bytes, {}, (event) => {
      out.clear();
      writer.append(event, out);
      // A lone surrogate has no UTF-8; both ways must replace it alike.
      const expected = new TextEncoder().encode(jsonText(event.toValue()));
      assert.equal(decodeUtf8(out.written()), decodeUtf8(expected));
    });
  }));
});

test("toXml() holds what toValue() holds", () => {
  fc.assert(fc.property(windowsEvent, ({ spec, style }) => {
    const { bytes } = oneChunk([eventRecord(spec, 0n, style)]);
    decodeEvtx(bytes, {}, (event) => {
      const [root] = outermost(toXml(event), "Event");
      const written = leaves(projectXml(root!));
      for (const [path, text] of leaves(event.toValue())) {
        const shown = written.get(path) ?? "";
        assert.ok(
          text === shown || explain("companion", text, shown, path) !== undefined,
          `${path}: ${JSON.stringify(text)} is written as ${JSON.stringify(shown)}`,
        );
      }
    });
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
