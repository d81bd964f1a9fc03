/**
 * Lines to events, as every command and the agent do it. `inputs.md` 3, 11, 20.5.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EventFilter } from "../../src/decode/filter/types.ts";
import { LINE_FORMATS } from "../../src/decode/parse_line.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { type InputOptions, visitEvents } from "../../src/runtime/input_events.ts";

/** The events as JSON texts, or the reason why there is none. */
function read(line: string, options: InputOptions = {}): readonly string[] | string {
  const events: string[] = [];
  const failure = visitEvents(line, options, (event) => events.push(jsonText(event.toValue())));
  if (failure === undefined) return events;
  assert.deepEqual(events, [], "a failure gives no event");
  assert.notEqual(failure.message, "");
  return failure.reason;
}

const itself: EventFilter = (event) => [event];
const failing: EventFilter = () => {
  throw new Error("no such member");
};

const CASES: readonly (readonly [string, InputOptions, readonly string[] | string])[] = [
  ["", {}, []],
  [" \t", { format: "json" }, []],
  ['{"a":1}', {}, ['{"a":1}']],
  // 20.5: an array is exploded, digits are kept, what is no array of objects stays one event.
  ['[{"a":1},{"a":2}]', {}, ['{"a":1}', '{"a":2}']],
  ['[{"a":12345678901234567890}]', { format: "json" }, ['{"a":12345678901234567890}']],
  ['[[{"a":1}],[]]', {}, ['[{"a":1}]', "[]"]],
  ["[1,2]", {}, ["[1,2]"]],
  ['[{"a":1},2]', {}, ['[{"a":1},2]']],
  ["[]", {}, ["[]"]],
  ['[{"a":1} {"a":2}]', { format: "json" }, "decode_json"],
  ['[{"a":1}', { format: "json" }, "decode_json"],
  // 3: under auto text that looks like JSON is text, unless its file is JSON.
  ['{"a":', {}, ['{"_raw":"{\\"a\\":"}']],
  ['{"a":', { expectsJson: true }, "decode_json"],
  ['[{"a":', { expectsJson: true }, "decode_json"],
  ["disk full", { expectsJson: true }, ['{"_raw":"disk full"}']],
  ["[1.5] disk full", { expectsJson: true }, ['{"_raw":"[1.5] disk full"}']],
  ["disk full", { format: "json" }, "decode_json"],
  ['{"a":', { expectsJson: true, format: "plain" }, ['{"_raw":"{\\"a\\":"}']],
  // 11: a filter sees an array as one value.
  ['[{"a":1},{"a":2}]', { filter: itself }, ['[{"a":1},{"a":2}]']],
  ['{"a":1}', { filter: () => [] }, []],
  ['{"a":1}', { filter: () => [decodeJson("[1]"), decodeJson("{}")] }, ["[1]", "{}"]],
  ['{"a":1}', { filter: failing }, "filter"],
  ["", { filter: failing }, []],
];

for (const [line, options, expected] of CASES) {
  const named = JSON.stringify({ ...options, ...(options.filter ? { filter: "…" } : {}) });
  test(`visitEvents() of ${JSON.stringify(line)} with ${named}`, () => {
    assert.deepEqual(read(line, options), expected);
  });
}

test("visitEvents() passes on what is an event already, through the filter", () => {
  const event = decodeJson('[{"a":1}]');
  const seen: unknown[] = [];
  assert.equal(visitEvents(event, {}, (one) => seen.push(one)), undefined);
  assert.equal(
    visitEvents(event, { filter: (one) => [one, one] }, (one) => seen.push(one)),
    undefined,
  );
  assert.deepEqual(seen, [event, event, event]);
});

test("visitEvents() tells of outputs that failed beside those that did not", () => {
  const filter: EventFilter = (event, failed) => {
    failed("first");
    failed("second");
    return [event];
  };
  const seen: unknown[] = [];
  const failure = visitEvents('{"a":1}', { filter }, (event) => seen.push(event.toValue()));
  assert.deepEqual(seen, [{ a: 1 }]);
  assert.deepEqual(failure, {
    reason: "filter",
    message: "first; 1 more of its outputs failed",
  });
});

test("visitEvents() gives as many events as an array has objects", () => {
  const members = fc.array(fc.object({ maxDepth: 2 }), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(members, (some) => {
    const line = JSON.stringify(some);
    const one = some.map((member) => read(JSON.stringify(member)));
    assert.deepEqual(read(line), one.flat());
  }));
});

test("visitEvents() answers for any line", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(...'[]{},:"1 a\\'), maxLength: 40 }),
  );
  fc.assert(
    fc.property(line, fc.constantFrom(...LINE_FORMATS), fc.boolean(), (text, format, json) => {
      const found = read(text, { format, expectsJson: json });
      assert.ok(
        typeof found === "string" ? found.startsWith("decode_") : found.length <= text.length,
      );
    }),
  );
});
