import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlatEvent, PlainEvent } from "../../../src/decode/flat_event.ts";
import { compileFilter } from "../../../src/decode/filter/compile.ts";
import { FilterError } from "../../../src/decode/filter/errors.ts";
import type { FilterSettings } from "../../../src/decode/filter/types.ts";
import { decodeJsonLine } from "../../../src/decode/json.ts";
import { parseLine } from "../../../src/decode/parse_line.ts";
import type { LogEvent } from "../../../src/event/event.ts";
import { internField } from "../../../src/event/field.ts";
import { jsonText } from "../../../src/event/json_text.ts";

type Kind = FilterSettings["kind"];

function run(kind: Kind, expression: string, event: LogEvent) {
  const errors: string[] = [];
  const events = compileFilter({ kind, expression })(event, (message) => errors.push(message));
  return { events, texts: events.map((one) => jsonText(one.toValue())), errors };
}

// inputs.md, section 11 and row 59 of section 19: expression, input, events.
const ROWS: readonly (readonly [Kind, string, string, readonly string[], number?])[] = [
  ["jq", ".event", '{"ts":1,"event":{"a":1}}', ['{"a":1}']],
  ["jq", ".records[]", '{"records":[{"a":1},{"a":2}]}', ['{"a":1}', '{"a":2}']],
  ["jq", ".records[]?", '{"x":1}', []],
  ["jq", ".records[]", '{"x":1}', [], 1],
  ["jq", ".[]", '[{"a":1}]', ['{"a":1}']],
  ["jq", "empty", '{"x":1}', []],
  ["jq", "select(.x == 2)", '{"x":1}', []],
  ["jq", ".x, [.x], null", '{"x":1}', ["1", "[1]", "null"]],
  ["jq", ".n", '{"n":12345678901234567890}', ["12345678901234567890"]],
  ["jq", ".e", '{"e":{"n":[-9223372036854775808]}}', ['{"n":[-9223372036854775808]}']],
  ["jq", ".message | fromjson", '{"message":"{\\"n\\":18446744073709551615}"}', [
    '{"n":18446744073709551615}',
  ]],
  ["jq", ".r[] | .d | fromjson", '{"r":[{"d":"{}"},{"d":"{"},{"d":"[]"}]}', ["{}", "[]"], 1],
  ["jsonpath", "$.event", '{"ts":1,"event":{"a":1}}', ['{"a":1}']],
  ["jsonpath", "$.records[*]", '{"records":[{"a":1},{"a":2}]}', ['{"a":1}', '{"a":2}']],
  ["jsonpath", "$.records[*]", '{"x":1}', []],
  ["jsonpath", "$", '{"x":1}', ['{"x":1}']],
  ["jsonpath", "$..n", '{"a":{"n":12345678901234567890},"n":1}', ["1", "12345678901234567890"]],
];

for (const [kind, expression, input, expected, failures = 0] of ROWS) {
  test(`compileFilter() ${kind} ${expression} of ${input}`, () => {
    const { texts, errors } = run(kind, expression, decodeJsonLine(input));
    assert.deepEqual(texts, expected);
    assert.equal(errors.length, failures);
    for (const message of errors) assert.match(message, /^jq runtime error: ./);
  });
}

// Section 20.5: any model, where the reference passes them by (row 61 of section 19).
test("compileFilter() takes pairs as an object and a plain line as its _raw", () => {
  const pairs = new FlatEvent([["a", "1"], ["b.c", "2"]]);
  assert.deepEqual(run("jq", '{x: .a, y: ."b.c"}', pairs).texts, ['{"x":"1","y":"2"}']);
  assert.deepEqual(run("jq", "._raw", new PlainEvent("disk full")).texts, ['"disk full"']);
  assert.deepEqual(run("jsonpath", "$['b.c']", pairs).texts, ['"2"']);
});

test("compileFilter() passes an event on that is its own output", () => {
  const line =
    "<86>Nov 23 17:20:00 web-1 sshd[1]: Accepted password for root from 203.0.113.9 port 1";
  const event = parseLine(line, "syslog")!;
  assert.ok(event.logsource !== undefined);
  for (
    const expression of [
      ".",
      'select(.appname == "sshd")',
      "if .x then .y else . end",
      ".nope // .",
    ]
  ) {
    assert.equal(run("jq", expression, event).events[0], event, expression);
  }
  assert.equal(run("jsonpath", "$", event).events[0], event);
  assert.deepEqual(run("jq", ". + {}", event).events.map(({ logsource }) => logsource), [
    undefined,
  ]);
});

test("events of a filter answer as JSON events do", () => {
  const windows = '{"Event":{"System":{"EventID":1},"EventData":{"Image":"C:\\\\a.exe"}}}';
  const inside = run("jq", ".e", decodeJsonLine(`{"e":${windows}}`)).events[0]!;
  const plain = decodeJsonLine(windows);
  for (const name of ["EventID", "Image", "Event.System.EventID", "nope", "toString"]) {
    assert.deepEqual(inside.get(internField(name)), plain.get(internField(name)), name);
  }
  const flat = run("jq", ".e", decodeJsonLine('{"e":{"a":{"b":"x"},"n":1}}')).events[0]!;
  assert.deepEqual(flat.topKeys?.(), ["a", "n"]);
  assert.equal(flat.get(internField("a.b")), "x");
  const texts: string[] = [];
  flat.someText((text) => {
    texts.push(text);
    return false;
  });
  assert.deepEqual(texts, ["x", "1"]);
});

// The messages of section 11, with the place.
const INVALID: readonly (readonly [Kind, string, string, number])[] = [
  ["jq", ".[", "Invalid jq filter '.[': unexpected the end, expected a filter at character 3", 2],
  ["jq", ".a | nope", "Invalid jq filter '.a | nope': nope/0 is not defined at character 6", 5],
  ["jsonpath", "a", "Invalid JSONPath 'a': expected '$', found 'a' at character 1", 0],
  [
    "jsonpath",
    "$[?nope(@)]",
    "Invalid JSONPath '$[?nope(@)]': no such function 'nope' at character 4",
    3,
  ],
];

for (const [kind, expression, message, offset] of INVALID) {
  test(`compileFilter() refuses ${kind} ${expression}`, () => {
    assert.throws(() => compileFilter({ kind, expression }), (error) => {
      assert.ok(error instanceof FilterError);
      assert.deepEqual([error.code, error.message, error.offset], [
        "FILTER_SYNTAX",
        message,
        offset,
      ]);
      return true;
    });
  });
}

/** Half a second alone; slow machines under load take many times that, and for ever is longer. */
const SOON_MS = 60_000;

// Expressions that would run for ever, or fill the memory, and what they are told.
const ENDLESS: readonly (readonly [Kind, string, RegExp])[] = [
  ["jq", "range(1e12)", /more than 10000 outputs/],
  ["jq", "last(range(1e12))", /more than 2000000 steps/],
  ["jq", "[limit(1e9; repeat(1))]", /more than 2000000 steps/],
  ["jq", "repeat(empty)", /more than 2000000 steps/],
  ["jq", "until(false; .)", /more than 2000000 steps/],
  ["jq", "[recurse(.)]", /more than 2000000 steps/],
  ["jq", "range(0; 1; 0)", /does not advance/],
  ["jq", "def f: f; f", /functions call themselves 1000 times/],
  ["jq", "def f: [f]; f", /functions call themselves 1000 times/],
  ["jq", "def f(g): g | f(g | g); f(.)", /too much/],
  ["jq", "def f: f, f; f", /functions call themselves 1000 times/],
  ["jq", '"a" * 1e9', /a text of more than/],
  ["jq", 'reduce range(1e9) as $x ("a"; . + .)', /a text of more than/],
  ["jq", '[range(1e6)] | join("")', /too much/],
  ["jq", "reduce range(1e5) as $x ({}; .[$x | tostring] = 1)", /more than 2000000 steps/],
  ["jq", "reduce range(1e5) as $x ([]; . + [$x])", /more than 2000000 steps/],
  ["jq", "reduce range(60) as $x (.; [., .])", /more than 2000000 steps/],
  ["jq", "reduce range(60) as $x (.; [., .]) | tojson", /more than 2000000 steps/],
  ["jq", "def f: reduce range(60) as $x (.; [., .]); f as $a | f as $b | $a == $b", /steps/],
  ["jq", "[range(1000) | [range(1000)]] | transpose", /more than 2000000 steps/],
  ["jq", "[range(30) | [0, 1]] | combinations", /more than 10000 outputs/],
  ["jq", '("a" * 1e6) as $t | [range(1e4) | $t]', /more than 2000000 steps/],
  ["jq", '("ab" * 1e6) | [match("a"; "g")]', /more than 2000000 steps/],
  ["jq", ".[1e6] = 1 | .[1e6] = 2 | range(1e4) as $x | .[$x] = 1", /too much|cannot/],
  ["jsonpath", "$..*", /more than 10000 outputs/],
  ["jsonpath", "$..[?count($..*) > 1]", /more than 5000000 steps/],
  ["jsonpath", "$..[?@..[?@..[?@..a]]]", /^$|too much/],
];

const LARGE = `[${Array.from({ length: 12_000 }, (_one, at) => `[${at}]`).join()}]`;

for (const [kind, expression, message] of ENDLESS) {
  test(`compileFilter() bounds ${kind} ${expression}`, { timeout: SOON_MS }, () => {
    const input = kind === "jq" ? "null" : LARGE;
    const before = performance.now();
    const { events, errors } = run(kind, expression, decodeJsonLine(input));
    assert.ok(performance.now() - before < SOON_MS);
    assert.ok(events.length <= 10_000);
    assert.match(errors.join("; "), message);
  });
}

// What looks at all of a large value, again and again: each of them has to cost steps.
const LOOKING: readonly (readonly [make: string, look: string])[] = [
  ["[range(100000)]", "keys"],
  ["[range(100000)]", "all"],
  ["[range(100000)]", "todate?"],
  ["[range(100000)]", "to_entries"],
  ["[range(100000)]", "has(.)?"],
  ["[range(30000) | {key: tostring, value: .}] | from_entries", "length"],
  ["[range(30000) | {key: tostring, value: .}] | from_entries", "first(.[])"],
  ["[range(30000) | {key: tostring, value: .}] | from_entries", "first(..)"],
  ["[range(30000) | {key: tostring, value: .}] | from_entries", "inside({})"],
  ["[range(30000) | {key: tostring, value: .}] | from_entries", "sort?"],
  ['"ab " * 100000', '[match("b"; "g")] | length'],
  ['"ab\u{1f600}c" * 30000', '[match("b"; "g")] | length'],
  ['"ab " * 100000', "ascii_upcase"],
  ['"ab " * 100000', "@base64"],
  ['"ab " * 100000', "@base32"],
  ['"ab " * 100000', "@uri"],
  ['"ab " * 100000', "@urid"],
  ['"ab " * 100000', "reverse"],
  ['"ab " * 100000', "startswith(.)"],
  ['"1" * 100000', "tonumber"],
  ['"Jan" + " " * 100000', 'strptime("%b %e %H")?'],
  ["reduce range(900) as $x (0; [.])", "[path(..)] | length"],
];

for (const [make, look] of LOOKING) {
  test(`compileFilter() bounds jq ${look} of ${make}`, { timeout: SOON_MS }, () => {
    const before = performance.now();
    const expression = `(${make}) as $v | last(range(1e6) | $v | ${look} | 0)`;
    const { errors } = run("jq", expression, decodeJsonLine("null"));
    assert.ok(performance.now() - before < SOON_MS, `${performance.now() - before} ms`);
    assert.match(errors.join("; "), /more than 2000000 steps/);
  });
}

test("compileFilter() bounds errors as it bounds outputs, and cuts what they say", () => {
  const input = decodeJsonLine(JSON.stringify(Array.from({ length: 50_000 }, (_one, at) => at)));
  const before = performance.now();
  const { errors } = run("jq", ". as $v | .[] | error($v)", input);
  assert.ok(performance.now() - before < SOON_MS);
  assert.ok(errors.length < 10_000, String(errors.length));
  assert.ok(errors.every((message) => message.length < 2000));
  assert.match(errors.at(-1)!, /too much/);
  const many = run("jq", ".[] | error", input).errors;
  assert.match(many.at(-1)!, /more than 10000 outputs/);
});

test("compileFilter() refuses expressions that are too long to be compiled", () => {
  const chain = (piece: string) => `.${piece.repeat(100_000)}`;
  for (const piece of [" + 1", "?", "[0]", ", 1"]) {
    assert.throws(() => compileFilter({ kind: "jq", expression: chain(piece) }), FilterError);
  }
  for (const word of ["-", "try "]) {
    const expression = `${word.repeat(100_000)}1`;
    assert.throws(() => compileFilter({ kind: "jq", expression }), FilterError);
  }
  for (const piece of ["[0]", ".a", "[?@.a]"]) {
    const expression = `$${piece.repeat(100_000)}`;
    try {
      compileFilter({ kind: "jsonpath", expression });
    } catch (error) {
      assert.ok(error instanceof FilterError, String(error));
    }
  }
});

test("compileFilter() runs regular expressions of both languages in linear time", () => {
  const text = `${"a".repeat(50_000)}!`;
  const event = decodeJsonLine(JSON.stringify({ t: text }));
  const before = performance.now();
  assert.deepEqual(run("jq", '.t | test("^(a*)*$"), test("(a|a)+$")', event).texts, [
    "false",
    "false",
  ]);
  assert.deepEqual(run("jsonpath", "$[?match(@, '(a*)*')]", event).texts, []);
  assert.deepEqual(run("jsonpath", "$[?search(@, '(a|aa)+!')]", event).texts, [
    JSON.stringify(text),
  ]);
  assert.ok(performance.now() - before < SOON_MS);
});

test("compileFilter() bears events that nest deeper than any stack", () => {
  const deep = "[".repeat(20_000) + "]".repeat(20_000);
  for (
    const expression of [
      ".",
      ".[0]",
      "..",
      ".. | numbers",
      "tojson",
      ". == [.]",
      "flatten",
      "walk(.)",
    ]
  ) {
    const { events, errors } = run("jq", expression, decodeJsonLine(deep));
    assert.ok(events.length + errors.length > 0 || expression.includes("numbers"), expression);
  }
  const { errors } = run("jsonpath", "$..a", decodeJsonLine(deep));
  assert.deepEqual(errors, ["jsonpath runtime error: too much: the event nests too deeply"]);
});

const json = fc.json({ maxDepth: 4 });

test("compileFilter() `.` and `$` are the identity on any JSON", () => {
  fc.assert(fc.property(json, (text) => {
    const event = decodeJsonLine(text);
    for (const kind of ["jq", "jsonpath"] as const) {
      const { events, errors } = run(kind, kind === "jq" ? "." : "$", event);
      assert.deepEqual(errors, []);
      assert.deepEqual(events, [event]);
    }
  }));
});

test("jq's tojson and fromjson, to_entries and from_entries undo each other", () => {
  fc.assert(
    fc.property(json, (text) => {
      const event = decodeJsonLine(text);
      const before = jsonText(event.toValue());
      assert.deepEqual(run("jq", "tojson | fromjson", event).texts, [before]);
      assert.deepEqual(
        run("jq", 'if type == "object" then with_entries(.) else . end', event).texts,
        [before],
      );
      assert.deepEqual(
        run("jq", ". as $x | [paths] | all(. as $p | $x | getpath($p) == getpath($p))", event)
          .texts,
        ["true"],
      );
      assert.deepEqual(
        run(
          "jq",
          '. as $x | reduce paths(type != "array" and type != "object") as $p ($x; setpath($p; getpath($p)))',
          event,
        ).texts,
        [before],
      );
    }),
    { numRuns: 60 },
  );
});

const PIECES = [
  ".",
  ".a",
  "[]",
  "?",
  "|",
  ",",
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  ":",
  "..",
  "$x",
  "as",
  "def f:",
  ";",
  "1",
  '"x"',
  '"\\(',
  "//",
  "==",
  "+",
  "-",
  "*",
  "/",
  "%",
  "|=",
  "and",
  "or",
  "not",
  "if",
  "then",
  "else",
  "end",
  "reduce",
  "foreach",
  "try",
  "catch",
  "error",
  "map",
  "select",
  "limit",
  "range",
  "recurse",
  "repeat",
  "path",
  "del",
  "tojson",
  "fromjson",
  "test",
  "sub",
  "@base64",
  "split",
  "add",
  "sort_by",
  "group_by",
  "label $x |",
  "break $x",
  "f",
  "$",
  "@",
  "*",
  "?@.a",
  "'b'",
  "0",
  "-1",
  "&&",
];
const expression = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }).map((parts) => parts.join(" ")),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 10 }).map((parts) => `$${parts.join("")}`),
  fc.string({ unit: "binary", maxLength: 30 }),
);

test("compileFilter() compiles any text or throws a FilterError; what it compiled tells its errors", () => {
  fc.assert(
    fc.property(fc.constantFrom<Kind>("jq", "jsonpath"), expression, json, (kind, text, input) => {
      let result: ReturnType<typeof run>;
      try {
        result = run(kind, text, decodeJsonLine(input));
      } catch (error) {
        assert.ok(error instanceof FilterError, String(error));
        assert.equal(error.code, "FILTER_SYNTAX");
        return;
      }
      assert.ok(result.events.length <= 10_000);
    }),
    { numRuns: 400 },
  );
});
