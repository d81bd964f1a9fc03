/**
 * Events that an index or a short cut once dropped, or was feared to. Each is evaluated with and
 * without index and must match.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJson } from "../../src/decode/json.ts";
import { EvaluationContext } from "../../src/engine/context.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { textGate } from "../../src/event/text_gate.ts";
import type { Value } from "../../src/event/value.ts";
import {
  type EventSource,
  matchCount,
  resultsOf,
  rulesOf,
  selectionRule,
} from "../support/rules.ts";

type Row = readonly [what: string, selection: string, event: EventSource];

const MATCHES: readonly Row[] = [
  // The text gate looks for keywords in undecoded JSON.
  ["a keyword written with the Kelvin sign", "[kelvin]", { m: "\u212aelvin" }],
  ["an escaped Kelvin sign", "[kelvin]", { json: '{"m":"\\u212aelvin"}' }],
  ["an escaped Kelvin sign, capital hex", "[kelvin]", { json: '{"m":"\\u212Aelvin"}' }],
  ["a capital I with a dot at a keyword's end", "[evi]", { m: "xEV\u0130x" }],
  ["escaped ASCII letters", "[mimikatz]", { json: '{"m":"\\u006dimikat\\u007A"}' }],
  ["an escaped hyphen", "['a-b-c-d']", { json: '{"m":"a\\u002db\\u002Dc-d"}' }],
  ["a keyword in capitals", "[MimiKatz]", { m: "xMIMIkatzx" }],
  ["a number written with an exponent", "['4625']", { json: '{"id": 4.625e3}' }],
  ["a number with an exponent in a list", "['00000000']", { json: '{"id": [1,1E20]}' }],
  ["a number that is rounded", "['0.3']", { json: '{"id":0.29999999999999999999}' }],
  ["a long integer", "['9007199254740993']", { json: '{"id":9007199254740993}' }],
  ["a keyword with a slash", "['ab/cdef']", { json: '{"m":"ab\\/cdef"}' }],
  ["a keyword with a quote and a tab", `["q\\"\\tz"]`, { m: 'q"\tz' }],
  ["a keyword beyond ASCII", "['\u00c4rzte']", { json: '{"m":"\\u00e4RZTE"}' }],
  ["a boolean as a keyword", "[true]", { m: true }],
  ["an empty keyword", "['']", { m: "x" }],
  ["words in different values", "'|all': [alpha, beta]", { a: "alpha", b: ["beta"] }],
  ["a regex keyword", "'|re': 'k[0-9]elv'", { m: "xk5elvin" }],
  ["a keyword that starts a value", "'|startswith': abc", { a: "x", b: "ABCd" }],
  // Values as text.
  ["a text for a number", "F: '4624'", { F: 4624 }],
  ["a float for an integer's text", "F: '4624'", { json: '{"F":4624.0}' }],
  ["a number for a text", "F: 4624", { F: "4624.0" }],
  ["a number with a plus sign", "F: 5", { F: "+5" }],
  ["a number with an exponent", "F: 1000", { F: "1e3" }],
  ["a negative zero", "F: 0", { F: "-0" }],
  ["part of a large integer", "F|contains: '99254740993'", { F: 9007199254740993n }],
  ["the exact large integer", "F: 9007199254740993", { F: 9007199254740993n }],
  ["a boolean's text", "F|endswith: UE", { F: true }],
  ["a hexadecimal process id", "ProcessId: 4660", { ProcessId: "0x1234" }],
  ["a hexadecimal process id in capitals", "ProcessId: 48879", { ProcessId: "0XBEEF" }],
  ["a member of a nested list", "F: 7", { F: [[1, "7"], 3] }],
  ["a suffix in a list", "F|endswith: .EXE", { F: ["a", ["B.exe"]] }],
  ["an empty text", "F: ''", { F: "" }],
  ["an empty text in a list", "F: ''", { F: ["a", ""] }],
  ["a null in a list of values", "F: [null, x]", { G: 1 }],
  ["absence", "{F|exists: false, G: 1}", { G: 1 }],
  ["something else than a text", "F|neq: abc", { F: null }],
  ["something else than any of the list", "F|contains|neq: [abc, def]", { F: "ghi" }],
  ["a regex that must not match", "F|re|neq: abc", { F: "x" }],
  // Letter case.
  ["letters that grow when folded", "F|contains: '\u0130stan'", { F: "x\u0130STANBUL" }],
  ["a final sigma", "F|endswith: '\u039f\u03a3'", { F: "\u039b\u039f\u03a3" }],
  ["a cased literal", "F|contains|cased: AbCd", { F: "xAbCdx" }],
  ["a cased literal beyond ASCII", "F|contains|cased: '\u00c4bc'", { F: "x\u00c4bcx" }],
  ["a cased suffix", "F|endswith|cased: \\Cmd.EXE", { F: "C:\\Cmd.EXE" }],
  ["a regex over letters that fold", "F|re|i: 'kiss'", { F: "\u212aI\u017fS" }],
  ["a character that folds to two", "F: 'a?c'", { F: "A\u0130C" }],
  ["such a character before a star", "F|startswith: 'a?c*e'", { F: "a\u0130cde" }],
  // Wildcards.
  ["only a wildcard", "F: '*'", { F: "" }],
  ["only single wildcards", "F: '??'", { F: "\u{1f600}x" }],
  ["a wildcard across lines", "F: 'a*b'", { F: "a\nb" }],
  ["dashes", "F|contains|windash: ' -enc'", { F: "x \u2015ENC y" }],
  ["a dash before a wildcard", "F|windash: '*-e*'", { F: "x/exy" }],
  // Names.
  ["a flat key with dots", "a.b.c: x", { "a.b.c": "X" }],
  ["a key with dots that holds an object", "a.b.c: x", { "a.b": { c: "x" } }],
  ["the same beside a shorter key", "a.b.c: x", { a: { z: 1 }, "a.b": { c: "x" } }],
  ["several values through a list", "a.b: x", { a: [{ b: "y" }, { c: 1 }, { b: "x" }] }],
  ["a name of every object", "constructor: x", { constructor: "x" }],
  ["a prototype's name", "__proto__: x", { json: '{"__proto__":"x"}' }],
  // Event ids.
  ["an event id as text", "EventID: 4688", { EventID: "4688" }],
  ["an event id with a blank", "EventID|contains: '4688'", { EventID: " 4688" }],
  ["event ids in a list", "EventID: 4688", { EventID: [1, "4688"] }],
  ["no event id", "EventID: null", { A: 1 }],
  ["an event id that is null", "EventID: [1, null]", { EventID: null }],
  ["an event id with leading zeros", "EventID: 12", { EventID: "012" }],
  ["an event id as a float", "EventID: '4688'", { json: '{"EventID":4688.0}' }],
  ["an event id nested as text", "EventID: '1'", {
    Event: { System: { EventID: { "#text": "1" } } },
  }],
  ["a negative event id", "EventID: -2", { EventID: -2 }],
];

for (const [what, selection, event] of MATCHES) {
  test(`RuleEngine finds ${what}`, () => {
    assert.equal(matchCount(selectionRule(selection), event), 1);
  });
}

test("RuleEngine tells a negative event id from the kinds of Sysmon 12", () => {
  const rules = rulesOf(selectionRule("EventID: -2"));
  const engine = new RuleEngine(rules);
  engine.match(decodeJson('{"EventID":12,"EventType":"CreateKey"}'));
  assert.deepEqual(engine.match(decodeJson('{"EventID":-2}')), [0]);
});

test("RuleEngine finds rules of ids that came after others without a rule", () => {
  const rules = rulesOf(`${selectionRule("EventID: 77")}---\n${selectionRule("EventID: '-1'")}`);
  const engine = new RuleEngine(rules);
  for (const id of ["5000", "77", '"77"', "-1", '"-1"', "5001", '"077"', "77"]) {
    const naive = new RuleEngine(rules, { index: false });
    const event = decodeJson(`{"EventID":${id}}`);
    assert.deepEqual([...engine.match(event)], [...naive.match(event)], id);
  }
});

/** An event whose texts have a second spelling, as a GUID from EVTX has. */
function spelledEvent(values: Readonly<Record<string, Value>>): LogEvent {
  return {
    get: ({ name }) => values[name],
    alternateText: ({ name }) => {
      const value = values[name];
      return typeof value === "string" && /^[0-9A-F]{8}-/.test(value)
        ? `{${value.toLowerCase()}}`
        : undefined;
    },
    someText: (visit) => Object.values(values).some((value) => visit(String(value))),
    toValue: () => values,
  };
}

const GUID = "94F748D5-0000-0000-0000-0000000000AB";
const SPELLED: readonly Row[] = [
  ["the plain spelling", `F: ${GUID.toLowerCase()}`, { event: spelledEvent({ F: GUID }) }],
  ["the braced spelling", `F|startswith: '{94f748d5'`, { event: spelledEvent({ F: GUID }) }],
  ["two GUIDs", "F|fieldref: G", { event: spelledEvent({ F: GUID, G: GUID }) }],
  ["two GUIDs, letter by letter", "F|fieldref|cased: G", {
    event: spelledEvent({ F: GUID, G: GUID }),
  }],
  ["a GUID and its braced text", "F|fieldref: G", {
    event: spelledEvent({ F: GUID, G: `{${GUID}}` }),
  }],
  ["a text and a GUID", "F|fieldref|endswith: G", {
    event: spelledEvent({ F: `x${GUID.toLowerCase()}`, G: GUID }),
  }],
];

for (const [what, selection, event] of SPELLED) {
  test(`RuleEngine finds a value in ${what}`, () => {
    assert.equal(matchCount(selectionRule(selection), event), 1);
  });
}

test("RuleEngine fills placeholders with either spelling of a value", () => {
  const options = { expandFromEvent: true };
  for (const text of [`x${GUID}`, `x{${GUID}}`]) {
    const event = { event: spelledEvent({ F: text, G: GUID }) };
    assert.equal(matchCount(selectionRule("F|expand: 'x%G%'"), event, options), 1, text);
  }
});

test("RuleEngine fills placeholders of keywords from the event", () => {
  const text = selectionRule("'|contains|expand': 'x-%G%'");
  for (const [event, count] of [[{ m: "ax-B", G: "b" }, 1], [{ m: "x-a", G: "b" }, 0]] as const) {
    assert.equal(matchCount(text, event, { expandFromEvent: true }), count);
  }
});

test("RuleEngine offers the second spelling of an aliased field", () => {
  const rules = rulesOf(
    selectionRule("Image|endswith: '\u2400x'", "logsource: {category: process_creation}\n"),
  );
  const event: LogEvent = {
    product: "windows",
    get: ({ name }) =>
      ({ Channel: "Security", EventID: 4688, NewProcessName: "a" } as Record<string, Value>)[name],
    alternateText: ({ name }) => name === "NewProcessName" ? "a\u2400x" : undefined,
    someText: (visit) => visit("a"),
    toValue: () => ({}),
  };
  assert.equal(resultsOf(rules, { event }).length, 1);
});

test("EvaluationContext remembers nothing of events that 32 bits take for this one", () => {
  const context = new EvaluationContext();
  const field = internField("F");
  const first = context.epoch + 1;
  context.begin(decodeJson('{"F":"old"}'));
  assert.equal(context.value(field), "old");
  for (const distance of [2 ** 31, 2 ** 32, 2 ** 33]) {
    context.epoch = first + distance - 1;
    context.begin(decodeJson('{"F":"new"}'));
    assert.equal(context.value(field), "new");
    assert.equal(context.lower(field, "NEW"), "new");
    assert.ok(context.epoch > first);
  }
});

test("textGate() finds foreign capitals in UTF-16 bytes", () => {
  const { utf16 } = textGate(["kill"]);
  const bytes = (text: string) =>
    [...text].flatMap((character) => {
      const code = character.charCodeAt(0);
      return [code & 0xff, code >> 8];
    }).map((byte) => String.fromCharCode(byte)).join("");
  for (const text of ["kill", "KILL", "\u212aILL", "xK\u0130ll"]) {
    assert.equal(utf16?.test(bytes(text)), true, text);
  }
  assert.equal(utf16?.test(bytes("kjll")), false);
});
