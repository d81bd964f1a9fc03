/**
 * Templates and scopes, by the tables of the specification.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import type { Alert, AlertKind } from "../../src/runtime/alert.ts";
import { parseScope, type ScopeSettings } from "../../src/runtime/scope.ts";
import {
  alertValues,
  escapeJson,
  parseTemplate,
  renderTemplate,
} from "../../src/runtime/template.ts";

function alertOf(kind: AlertKind, result: Value): Alert {
  return {
    seq: 1,
    id: "pk1-00",
    kind,
    level: "high",
    ruleId: "r-9",
    ruleTitle: "Odd login",
    sourceId: "auth",
    createdMs: 1_760_000_000_500,
    eventMs: undefined,
    body: jsonText(result),
  };
}

const DETECTION = {
  rule_title: "Odd login",
  rule_id: "r-9",
  level: "high",
  tags: ["attack.t1078", "geo"],
  matched_selections: ["selection"],
  matched_fields: [
    { field: "User", value: "bob" },
    { field: "Port", value: 22 },
    { field: "user.name", value: "dotted" },
    { field: "Deep", value: { a: [1, null] } },
    { field: "Flag", value: true },
    { field: "Nothing", value: null },
  ],
  event: { src: { ip: "10.1.1.9" }, roles: ["a", "b"], big: 12345678901234567890n },
  agent: { id: "agent-1", host: "web-3" },
};
const CORRELATION = {
  rule_title: "Password spray",
  rule_id: null,
  level: null,
  tags: [],
  correlation_type: "event_count",
  group_key: [["SourceIP", "203.0.113.4"], ["user.name", "mia"]],
  aggregated_value: 73,
  timespan_secs: 300,
};
const ENV: Readonly<Record<string, string>> = { X_TEST: "hello", EMPTY: "", " odd ": "blank" };

// enrichment.md, 6.1, 6.3, 6.4, 17.1; delivery.md, 20.13 for defaults. [kind, template, text]
const RENDERED: readonly (readonly ["D" | "C", string, string])[] = [
  ["D", "kb/${detection.rule.id}", "kb/r-9"],
  ["D", "${detection.rule.level}:${detection.tags}", "high:attack.t1078,geo"],
  ["D", "${detection.fields.User}@${detection.fields.Port}", "bob@22"],
  ["D", "[${detection.fields.user}]", "[]"],
  ["D", "${detection.fields.user.name}", "dotted"],
  ["D", "${detection.fields.Deep} ${detection.fields.Flag}", '{"a":[1,null]} true'],
  ["D", "[${detection.fields.Nothing}]", "[]"],
  ["D", "${detection.event.src.ip} ${detection.event.roles.1}", "10.1.1.9 b"],
  ["D", "${detection.event.roles}", '["a","b"]'],
  ["D", "${detection.event.big}", "12345678901234567890"],
  ["D", "[${detection.event.src.port}${detection.event.roles.9}${detection.event.a.b}]", "[]"],
  ["D", "[${detection.event.constructor}${detection.event.__proto__}]", "[]"],
  ["D", "${}-${detection.rule.nope}-", "${}--"],
  ["D", "${open", "${open"],
  ["D", "$HOME {HOME} ${a${B}}", "$HOME {HOME} }"],
  ["D", "v=${X_TEST}", "v=hello"],
  ["D", "v=${UNSET}", "v="],
  ["D", "${ odd }", "blank"],
  ["D", "${detection}", ""],
  ["D", "${X_TEST:-no} ${UNSET:-https://x.y/} ${EMPTY:-e} [${UNSET:-}]", "hello https://x.y/ e []"],
  ["D", "[${correlation.rule.title}]", "[]"],
  ["D", "${alert.id} ${alert.source_id} ${alert.host}", "pk1-00 auth web-3"],
  ["D", "${alert.created_at}[${alert.event_time}]", "2025-10-09T08:53:20.500Z[]"],
  [
    "C",
    "${correlation.aggregated_value} from ${correlation.group_key.SourceIP} in " +
    "${correlation.timespan_secs}s",
    "73 from 203.0.113.4 in 300s",
  ],
  [
    "C",
    "${correlation.type}|${correlation.group_key}",
    "event_count|SourceIP=203.0.113.4,user.name=mia",
  ],
  ["C", "${correlation.group_key.user.name}", "mia"],
  ["C", "[${correlation.rule.id}${correlation.rule.level}${correlation.events}]", "[]"],
  ["C", "[${detection.rule.title}]", "[]"],
];

for (const [kind, template, expected] of RENDERED) {
  test(`renderTemplate() ${kind} ${template}`, () => {
    const [name, result] = kind === "D"
      ? ["detection", DETECTION] as const
      : ["correlation", CORRELATION] as const;
    const values = alertValues(alertOf(name, result), result);
    const text = renderTemplate(parseTemplate(template), (variable) => ENV[variable], values);
    assert.equal(text, expected);
  });
}

// enrichment.md, 17.1 row 9 and 6.3.
for (
  const [value, text] of [[3.5, "3.5"], [1e15, "1000000000000000"], [
    0.1 + 0.2,
    "0.30000000000000004",
  ]] as const
) {
  test(`renderTemplate() writes aggregated_value ${value} as ${text}`, () => {
    const result = { ...CORRELATION, aggregated_value: value };
    const values = alertValues(alertOf("correlation", result), result);
    const template = parseTemplate("${correlation.aggregated_value}");
    assert.equal(renderTemplate(template, () => undefined, values), text);
  });
}

test("parseTemplate() tells references that mean nothing", () => {
  for (
    const text of ["${something.weird}", "${ detection.rule.id }", "${event.User}", "${alert.x}"]
  ) {
    assert.equal(parseTemplate(text)[0]?.kind, "malformed", text);
  }
});

// enrichment.md, 17.1 rows 12 and 13; delivery.md, 21.5 row 77.
test("renderTemplate() with escapeJson gives a document with the same values", () => {
  const template = parseTemplate('{"text":"${detection.rule.title}: ${detection.fields.User}"}');
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (title, user) => {
      const result = { rule_title: title, matched_fields: [{ field: "User", value: user }] };
      const values = alertValues(alertOf("detection", result), result);
      const text = renderTemplate(template, () => undefined, values, escapeJson);
      assert.deepEqual(JSON.parse(text), { text: `${title}: ${user}` });
    }),
  );
});

test("renderTemplate() never reads what it put in", () => {
  const template = parseTemplate("${detection.rule.title}");
  fc.assert(fc.property(fc.constantFrom("${X_TEST}", "${detection.rule.id}", "${"), (title) => {
    const result = { rule_title: title };
    const values = alertValues(alertOf("detection", result), result);
    assert.equal(renderTemplate(template, (name) => ENV[name], values), title);
  }));
});

test("parseTemplate() keeps every text without references, and never throws", () => {
  fc.assert(fc.property(fc.string(), fc.jsonValue(), (text, value) => {
    const template = parseTemplate(text);
    const values = alertValues(alertOf("detection", null), value as Value);
    const rendered = renderTemplate(template, () => undefined, values);
    if (!text.includes("${")) assert.equal(rendered, text);
    else assert.ok(rendered.length <= text.length + jsonText(value).length);
  }));
});

// enrichment.md, 17.3 rows 35 to 41 and section 5. [scope, id, title, level, tags, expected]
type Row = readonly [ScopeSettings, string | null, string, Alert["level"], string[], boolean];
const SCOPES: readonly Row[] = [
  [{}, null, "Anything", null, [], true],
  [{ rules: [], tags: [], levels: [] }, null, "Anything", null, [], true],
  [{ rules: ["abc-1"] }, "abc-1", "T", "low", [], true],
  [{ rules: ["abc-1"] }, "abc-2", "T", "low", [], false],
  [{ rules: ["abc-1"] }, null, "abc-1", "low", [], false],
  [{ rules: ["Suspicious *"] }, null, "Suspicious shell", "low", [], true],
  [{ rules: ["Suspicious *"] }, null, "Innocent", "low", [], false],
  [{ rules: ["suspicious *"] }, null, "Suspicious shell", "low", [], false],
  [{ rules: ["S?ell a/*b"] }, null, "Shell a/x/b", "low", [], true],
  [{ rules: ["[A-C]x*"] }, null, "Bxy", "low", [], true],
  [{ rules: ["[!A-C]x*"] }, null, "Bxy", "low", [], false],
  [{ rules: ["{Odd,Rare} *"] }, null, "Rare login", "low", [], true],
  [{ rules: ["{Odd,Rare} *"] }, null, "Common login", "low", [], false],
  [{ rules: ["{a,b}"] }, "{a,b}", "a", "low", [], true],
  [{ rules: ["{a,b}"] }, null, "a", "low", [], false],
  [{ rules: ["a\\*b?"] }, null, "a*bc", "low", [], true],
  [{ rules: ["*a*a*a*b"] }, null, "a".repeat(5_000), "low", [], false],
  [{ tags: ["attack.*"] }, null, "T", null, ["attack.t1059.001"], true],
  [{ tags: ["attack.*"] }, null, "T", null, ["attacker.x"], true],
  [{ tags: ["attack.*"] }, null, "T", null, ["other.tag"], false],
  [{ tags: ["attack.execution", "exfil"] }, null, "T", null, ["attack.execution.123"], false],
  [{ tags: ["attack.execution", "exfil"] }, null, "T", null, ["exfil"], true],
  [{ levels: ["high", "critical"] }, null, "T", "high", [], true],
  [{ levels: ["high", "critical"] }, null, "T", "medium", [], false],
  [{ levels: ["high", "critical"] }, null, "T", null, [], false],
  [{ levels: ["high"], tags: ["exfil"] }, null, "T", "high", [], false],
  [{ levels: ["high"], tags: ["exfil"] }, null, "T", "high", ["exfil"], true],
];

for (const [settings, ruleId, ruleTitle, level, tags, expected] of SCOPES) {
  const shown = ruleTitle.slice(0, 20);
  test(`parseScope() ${JSON.stringify(settings)} ${ruleId} '${shown}' ${level} [${tags}]`, () => {
    const reading = parseScope(settings);
    assert.ok("scope" in reading, JSON.stringify(reading));
    assert.equal(reading.scope({ ruleId, ruleTitle, level, tags: () => tags }), expected);
  });
}

// enrichment.md, 17.3 rows 42 and 43.
for (
  const [settings, message] of [
    [{ rules: ["[unclosed"] }, /^invalid scope\.rules glob '\[unclosed': /],
    [{ rules: ["{unclosed*"] }, /^invalid scope\.rules glob '\{unclosed\*': /],
    [{ rules: ["{a,b}".repeat(9) + "*"] }, /more than 64 patterns/],
    [{ levels: ["super-high"] }, /^invalid scope\.levels entry 'super-high'/],
    [{ levels: ["High"] }, /^invalid scope\.levels entry 'High'/],
  ] as const
) {
  test(`parseScope() refuses ${JSON.stringify(settings)}`, () => {
    const reading = parseScope(settings);
    assert.ok("error" in reading);
    assert.match(reading.error, message);
  });
}

test("parseScope() answers for any text, in bounded time", () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab*?[]{},!-\\"), maxLength: 40 });
  fc.assert(fc.property(text, text, (glob, ruleTitle) => {
    const began = performance.now();
    const reading = parseScope({ rules: [glob] });
    if ("scope" in reading) {
      const result = { ruleId: null, ruleTitle, level: null, tags: () => [] };
      assert.equal(typeof reading.scope(result), "boolean");
    } else assert.match(reading.error, /^invalid scope\.rules glob/);
    assert.ok(performance.now() - began < 500);
  }));
});
