import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileJsonPath } from "../../../src/decode/filter/json_path.ts";
import { jsonText, parseJsonText } from "../../../src/event/json_text.ts";
import type { Value } from "../../../src/event/value.ts";

function found(path: string, root: Value): readonly string[] {
  const texts: string[] = [];
  compileJsonPath(path).run(root, (value) => texts.push(jsonText(value)));
  return texts;
}

const ROOT = parseJsonText(JSON.stringify({
  time: "2026-11-23",
  records: [
    { id: 1, level: 2, user: "root", tags: ["a", "b"] },
    { id: 2, level: 5, user: "ana", tags: [] },
    { id: 3, user: "bob.smith" },
  ],
  "odd name": { __proto__x: 1 },
}));

// RFC 9535: section, path, what it leads to (the ids of records, or JSON).
const ROWS: readonly (readonly [section: string, path: string, expected: readonly string[]])[] = [
  ["2.2", "$.time", ['"2026-11-23"']],
  ["2.3.1", "$['odd name']['__proto__x']", ["1"]],
  ["2.3.1", "$.none", []],
  ["2.3.2", "$.records[*].id", ["1", "2", "3"]],
  ["2.3.3", "$.records[-1].id", ["3"]],
  ["2.3.4", "$.records[0:2].id", ["1", "2"]],
  ["2.3.4", "$.records[::-1].id", ["3", "2", "1"]],
  ["2.3.5", "$.records[?@.level].id", ["1", "2"]],
  ["2.3.5", "$.records[?@.level > 2].id", ["2"]],
  ["2.3.5", "$.records[?!@.level || @.user == 'ana'].id", ["2", "3"]],
  ["2.3.5", "$.records[?@.id && @.level && @.user].id", ["1", "2"]],
  ["2.3.5", "$.records[?@.id > 0 && @.id < 9 && @.user != 'ana' && @.level].id", ["1"]],
  ["2.3.5", "$.records[?@.tags[?@ == 'b']].id", ["1"]],
  ["2.3.5", "$.records[?@.level == $.records[1].level].id", ["2"]],
  ["2.4.4", "$.records[?length(@.user) == 3].id", ["2"]],
  ["2.4.5", "$.records[?count(@.tags[*]) == 2].id", ["1"]],
  ["2.4.6", "$.records[?match(@.user, 'b.b\\\\..*')].id", ["3"]],
  ["2.4.6", "$.records[?match(@.user, 'b')].id", []],
  ["2.4.7", "$.records[?search(@.user, '[ao]')].id", ["1", "2", "3"]],
  ["2.4.7", "$.records[?search(@.user, '(')].id", []],
  ["2.4.8", "$.records[?value(@.tags[0]) == 'a'].id", ["1"]],
  ["2.5.1", "$.records[0]['id','user']", ["1", '"root"']],
  ["2.5.2", "$..id", ["1", "2", "3"]],
];

for (const [section, path, expected] of ROWS) {
  test(`compileJsonPath() RFC 9535, ${section}: ${path}`, () => {
    assert.deepEqual(found(path, ROOT), expected);
  });
}

test("compileJsonPath() compares long integers and gives all their digits", () => {
  const root = parseJsonText(
    '{"a":[{"n":12345678901234567890,"m":[-9223372036854775808]},{"n":5}]}',
  );
  assert.deepEqual(found("$.a[?@.n > 5].n", root), ["12345678901234567890"]);
  assert.deepEqual(found("$.a[?@.n == 12345678901234567890]", root), [
    '{"n":12345678901234567890,"m":[-9223372036854775808]}',
  ]);
  assert.deepEqual(found("$..m[0]", root), ["-9223372036854775808"]);
});

test("compileJsonPath() finds every member by its own name", () => {
  // The package takes no control characters in names, not even escaped.
  const name = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("__proto__", "'", "\\", "?", "$", ""),
  );
  fc.assert(fc.property(name, fc.jsonValue(), (key, value) => {
    const root = JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`) as Value;
    assert.deepEqual(found(`$[${JSON.stringify(key)}]`, root), [
      jsonText(JSON.parse(JSON.stringify(value))),
    ]);
  }));
});
