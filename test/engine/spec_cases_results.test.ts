/**
 * sigma-rules.md, sections 18 (filters), 19 (pruning), 21 (attributes), 22 (results) and 28.5 #121
 * to #136.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EngineOptions, RuleEngine } from "../../src/engine/engine.ts";
import type { StaticLogsource } from "../../src/engine/logsource.ts";
import { Explainer } from "../../src/engine/explain.ts";
import type { FieldMatch } from "../../src/engine/result.ts";
import type { ImpliedLogsource, LogEvent } from "../../src/event/event.ts";
import { PlainEvent } from "../../src/decode/flat_event.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import { jsonText } from "../../src/event/json_text.ts";
import {
  collectionOf,
  errorCodes,
  eventOf,
  type EventSource,
  resultsOf,
  rulesOf,
  ruleText,
  selectionRule,
} from "../support/rules.ts";

const RULE = ruleText({ sel: "A: 1" }, "sel", "id: id-1\nname: rule-name\n");
const LOGGED = (logsource: string) => ruleText({ sel: "A: 1" }, "sel", `logsource: ${logsource}\n`);
const filter = (rules: string, body = "agent: {Agent: yes}, condition: not agent", more = "") =>
  `---\ntitle: F\nid: f-1\n${more}filter: {${rules === "" ? "" : `rules: ${rules}, `}${body}}\n`;

/** How often the rule matches with the filter: an event of the agent, one of another. */
const FILTERS: readonly (readonly [
  what: string,
  text: string,
  ofAgent: number,
  other: number,
])[] = [
  ["#121 on an id", RULE + filter("[id-1]"), 0, 1],
  ["#121 on an id as text", RULE + filter("id-1"), 0, 1],
  ["#122 on a title", RULE + filter("[T]"), 0, 1],
  ["on a title, letter case matters", RULE + filter("[t]"), 1, 1],
  ["#123 on a name", RULE + filter("[rule-name]"), 0, 1],
  ["on another rule", RULE + filter("[id-2]"), 1, 1],
  ["#124 rules: []", RULE + filter("[]"), 0, 1],
  ["#124 rules absent", RULE + filter(""), 0, 1],
  ["#124 rules: any", RULE + filter("any"), 0, 1],
  ["#124 rules: ANY", RULE + filter("ANY"), 0, 1],
  ["a positive condition", RULE + filter("any", "agent: {Agent: yes}, condition: agent"), 1, 0],
  [
    "#127 a pattern over its own selections",
    RULE + filter(
      "any",
      "f_a: {Agent: yes}, f_b: {Agent: maybe}, condition: not 1 of f_*",
    ),
    0,
    1,
  ],
  [
    "`them` are its own selections",
    RULE + filter(
      "any",
      "f_a: {Agent: yes}, condition: not all of them",
    ),
    0,
    1,
  ],
  [
    "the rule's selections are not its own",
    RULE + filter(
      "any",
      "sel: {Agent: yes}, condition: not sel",
    ),
    0,
    1,
  ],
  [
    "a list of conditions is joined by or",
    RULE + filter(
      "any",
      "x: {Agent: yes}, y: {B: 1}, condition: [y, not x]",
    ),
    0,
    1,
  ],
  [
    "a wildcard keyword is found anywhere",
    RULE + filter("any", "w: ['y*s'], condition: not w"),
    0,
    1,
  ],
  [
    "#126 a category the rule does not set",
    LOGGED("{product: windows}") +
    filter("any", undefined, "logsource: {category: process_creation}\n"),
    1,
    1,
  ],
  [
    "a product the rule sets, in other letters",
    LOGGED("{product: Windows, category: c}") +
    filter("any", undefined, "logsource: {product: WINDOWS}\n"),
    0,
    1,
  ],
  [
    "another product",
    LOGGED("{product: linux}") +
    filter("any", undefined, "logsource: {product: windows}\n"),
    1,
    1,
  ],
  ["a filter that stands before the rule", `${filter("any").slice(4)}---\n${RULE}`, 0, 1],
  [
    "a rule whose patterns name everything",
    ruleText({ sel: "A: 1" }, "all of *") + filter("any"),
    0,
    1,
  ],
];
for (const [what, text, ofAgent, other] of FILTERS) {
  test(`18: filter: ${what}`, () => {
    const rules = rulesOf(text);
    assert.equal(resultsOf(rules, { A: 1, Agent: "yes" }).length, ofAgent);
    assert.equal(resultsOf(rules, { A: 1, Agent: "no" }).length, other);
    assert.equal(resultsOf(rules, { A: 2, Agent: "yes" }).length, 0);
  });
}

test("28.5 #125: two filters that both call their selection `selection`", () => {
  const one = filter("any", "selection: {B: 1}, condition: not selection");
  const two = filter("any", "selection: {C: 1}, condition: not selection");
  const rules = rulesOf(RULE + one + two);
  assert.equal(resultsOf(rules, { A: 1 }).length, 1);
  assert.equal(resultsOf(rules, { A: 1, B: 1 }).length, 0);
  assert.equal(resultsOf(rules, { A: 1, C: 1 }).length, 0);
});

test("18: a filter that names an undefined selection is refused, the rule stays", () => {
  const text = RULE + filter("any", "agent: {Agent: yes}, condition: not typo");
  assert.equal(errorCodes(text).length, 1);
  assert.equal(collectionOf(text).rules.length, 1);
});

test("18: results name the filters that let the event pass, not their selections", () => {
  const [result] = resultsOf(
    rulesOf(RULE + filter("any", "ok: {Agent: yes}, condition: ok")),
    { A: 1, Agent: "yes" },
  );
  assert.deepEqual(result?.matched_selections, ["sel"]);
  assert.deepEqual(result?.filters, [{ id: "f-1", title: "F" }]);
});

const matched = (text: string, event: EventSource, options: EngineOptions) => {
  const rules = rulesOf(text);
  const indexed = [...new RuleEngine(rules, options).match(eventOf(event))];
  const naive = [...new RuleEngine(rules, { ...options, index: false }).match(eventOf(event))];
  assert.deepEqual(naive, indexed);
  return indexed;
};

test("19, 28.5 #128, #129: pruning by what is known of the input", () => {
  const text = [
    LOGGED("{product: linux}"),
    LOGGED("{product: Windows, category: process_creation}"),
    LOGGED("{}"),
  ].join("---\n");
  assert.deepEqual(matched(text, { A: 1 }, { logsource: { product: "windows" } }), [1, 2]);
  assert.deepEqual(matched(text, { A: 1 }, {}), [0, 1, 2]);
  assert.deepEqual(
    matched(text, { A: 1 }, { logsource: { product: "windows" }, logsourceRouting: false }),
    [0, 1, 2],
  );
  assert.deepEqual(
    matched(text, { A: 1 }, { logsource: { product: "windows", category: "file_event" } }),
    [2],
  );
  const service = [LOGGED("{service: sshd}"), LOGGED("{service: auditd}")].join("---\n");
  assert.deepEqual(matched(service, { A: 1 }, { logsource: { service: "sshd" } }), [0]);
});

test("19.2, 28.5 #128, #129: an event tells its own logsource", () => {
  const fields = { product: "product", service: "svc", custom: { tenant: "org.tenant" } };
  const options = { logsourceFields: fields, logsource: { category: "web" } };
  const text = [
    LOGGED("{product: linux}"),
    LOGGED("{product: windows, category: process_creation}"),
    LOGGED("{}"),
    LOGGED("{service: SSHD}"),
    LOGGED("{tenant: North}"),
  ].join("---\n");
  const rows: readonly (readonly [event: EventSource, matches: readonly number[]])[] = [
    [{ A: 1, product: "windows" }, [2, 3, 4]],
    [{ A: 1, product: " LINUX " }, [0, 2, 3, 4]],
    [{ A: 1, product: "   " }, [0, 2, 3, 4]],
    [{ A: 1, product: ["windows"] }, [0, 2, 3, 4]],
    [{ A: 1, svc: "sshd" }, [0, 2, 3, 4]],
    [{ A: 1, svc: "nginx" }, [0, 2, 4]],
    [{ A: 1, org: { tenant: "north" } }, [0, 2, 3, 4]],
    [{ A: 1, org: { tenant: "south" }, product: "windows" }, [2, 3]],
  ];
  for (const [event, matches] of rows) assert.deepEqual(matched(text, event, options), matches);
  const unfixed = { logsourceFields: fields };
  assert.deepEqual(matched(text, { A: 1, product: "Windows" }, unfixed), [1, 2, 3, 4]);
  assert.deepEqual(matched(text, { A: 1, product: "x" }, { logsource: { product: "linux" } }), [
    0,
    2,
    3,
    4,
  ]);
});

test("RuleEngine: a logsource given with an event stands in place of the engine's own", () => {
  const rules = rulesOf([LOGGED("{product: linux}"), LOGGED("{service: sshd}")].join("---\n"));
  const event = decodeJson('{"A":1}');
  const linux = { product: "linux", service: "cron" };
  for (const index of [true, false]) {
    const engine = new RuleEngine(rules, { index, logsource: { product: "windows" } });
    assert.deepEqual([...engine.match(event)], [1], "its own");
    assert.deepEqual([...engine.match(event, linux)], [0]);
    assert.deepEqual([...engine.match(event, { service: "sshd" })], [0, 1]);
    assert.deepEqual([...engine.match(event)], [1], "its own again");
    assert.equal(engine.evaluate(event, linux)[0]?.rule_title, rules[0]?.title);
  }
});

/** What a program tells of its events, what is stated for them, and which rules are tried. */
const IMPLIED_ROWS: readonly (readonly [
  implied: ImpliedLogsource,
  stated: StaticLogsource,
  matches: readonly number[],
])[] = [
  [{}, {}, [0, 1, 2, 3, 4, 5]],
  [{ product: "linux" }, {}, [1, 2, 3, 4, 5]],
  [{ product: "linux" }, { product: "macos" }, [4, 5]],
  [{ product: "linux", services: new Set(["sshd", "auth"]) }, {}, [1, 3, 4, 5]],
  // A log that is stated to be auth.log has the lines of sshd, and the other way round.
  [{ product: "linux", services: new Set(["sshd"]) }, { service: "auth" }, [1, 3, 4, 5]],
  [{ product: "linux", services: new Set(["cron"]), categories: new Set() }, {}, [1, 2]],
  [{ categories: new Set() }, { category: "process_creation" }, [0, 1, 2, 3, 4, 5]],
];

for (const [implied, stated, matches] of IMPLIED_ROWS) {
  const shown = Object.values(implied).map((one) => typeof one === "string" ? one : [...one]);
  test(`an event that implies ${JSON.stringify(shown)}, stated ${JSON.stringify(stated)}`, () => {
    const rules = rulesOf([
      LOGGED("{product: windows}"),
      LOGGED("{product: linux}"),
      LOGGED("{product: linux, service: cron}"),
      LOGGED("{product: linux, service: sshd}"),
      LOGGED("{category: process_creation}"),
      LOGGED("{category: process_creation, service: auth}"),
    ].join("---\n"));
    const event = Object.assign(decodeJson('{"A":1}'), { logsource: implied });
    for (const index of [true, false]) {
      const engine = new RuleEngine(rules, { index, logsource: stated });
      assert.deepEqual([...engine.match(event)], matches, `index ${index}`);
      assert.deepEqual([...new RuleEngine(rules, { index }).match(event, stated)], matches);
    }
  });
}

test("rules that match by what is absent are kept from text of an unknown log", () => {
  const absent = (logsource: string) =>
    ruleText({ sel: "dst_port: 3389", key: "keyword: null" }, "not sel and key", logsource);
  const rules = rulesOf([
    absent("logsource: {product: zeek, service: rdp}\n"),
    absent(""),
    absent("logsource: {category: firewall}\n"),
    ruleText({ words: "[disk, net]" }, "words", "logsource: {product: cisco}\n"),
  ].join("---\n"));
  const rows: readonly (readonly [LogEvent, StaticLogsource, readonly number[]])[] = [
    [new PlainEvent("disk full"), {}, [1, 3]],
    [new PlainEvent("disk full"), { product: "zeek" }, [0, 1]],
    [new PlainEvent("disk full"), { category: "firewall" }, [1, 2, 3]],
    [parseLine("Oct 11 22:14:15 h app: net down", "auto", { nowMs: 0 })!, {}, [1, 3]],
    [decodeJson('{"text":"disk full"}'), {}, [0, 1, 2, 3]],
  ];
  for (const [event, logsource, matches] of rows) {
    for (const index of [true, false]) {
      assert.deepEqual([...new RuleEngine(rules, { index, logsource }).match(event)], matches);
    }
    const explainer = new Explainer({ logsource });
    explainer.begin(event);
    const explained = rules.flatMap((rule, at) => explainer.explain(rule).matched ? [at] : []);
    assert.deepEqual(explained, matches);
  }
});

test("RuleEngine: events that each imply a logsource of their own are routed and forgotten", () => {
  const rules = rulesOf([LOGGED("{product: linux}"), LOGGED("{product: windows}")].join("---\n"));
  const engine = new RuleEngine(rules);
  for (let count = 0; count < 2000; count++) {
    const product = count % 2 === 0 ? "linux" : "windows";
    const event = Object.assign(decodeJson('{"A":1}'), { logsource: { product } });
    assert.deepEqual([...engine.match(event)], [count % 2]);
  }
});

test("21: custom attributes, the later source winning, SigmaHQ's own dropped", () => {
  const more = "owner: soc\nregression_tests_path: x\nsimulation: [1]\ngenerate: true\n" +
    "custom_attributes: {owner: ir, score: 5, deep: {a: [1, null]}}\n";
  const [result] = resultsOf(rulesOf(ruleText({ sel: "A: 1" }, "sel", more)), { A: 1 });
  assert.equal(
    jsonText(result?.custom_attributes),
    '{"owner":"ir","generate":true,"score":5,"deep":{"a":[1,null]}}',
  );
});

test("21, 28.5 #133: a rule asks for the event", () => {
  for (const [value, embedded] of [['"true"', true], ["true", true], ['"yes"', false]] as const) {
    for (const name of ["rsigma", "picket"]) {
      const text = ruleText({ sel: "A: 1" }, "sel", `${name}.include_event: ${value}\n`);
      const [result] = resultsOf(rulesOf(text), { A: 1, B: [2] });
      assert.deepEqual(result?.event, embedded ? { A: 1, B: [2] } : undefined);
    }
  }
  const [result] = resultsOf(rulesOf(RULE), { A: 1 }, { includeEvent: true });
  assert.deepEqual(result?.event, { A: 1 });
});

test("22.1: a result's JSON, key by key", () => {
  const sample = ruleText(
    { sel: "CommandLine|contains|all: ['vssadmin', 'delete']" },
    "sel",
    "level: high\ntags: [attack.t1490]\n",
  ).replace("title: T", "title: Shadow copy removal");
  const [plain] = resultsOf(rulesOf(sample), { CommandLine: "vssadmin delete shadows" });
  assert.equal(
    jsonText(plain),
    '{"rule_title":"Shadow copy removal","rule_id":null,"level":"high","tags":["attack.t1490"],' +
      '"matched_selections":["sel"],"matched_fields":[{"field":"CommandLine",' +
      '"value":"vssadmin delete shadows"}]}',
  );
  const all = ruleText({ sel: "A: 1" }, "sel", "id: id-1\nowner: soc\n");
  const [full] = resultsOf(rulesOf(all + filter("any")), { A: 1 }, {
    includeEvent: true,
    matchDetail: "full",
  });
  assert.equal(
    jsonText(full),
    '{"rule_title":"T","rule_id":"id-1","level":null,"tags":[],"custom_attributes":{"owner":"soc"},' +
      '"matched_selections":["sel"],"matched_fields":[{"field":"A","value":1,"selection":"sel",' +
      '"matcher":"numeric","pattern":"= 1"}],"filters":[{"id":"f-1","title":"F"}],"event":{"A":1}}',
  );
});

test("22.1: one result a rule and event, in the order of the rules", () => {
  const titles = ["c", "a", "b"];
  const text = titles.map((title, at) =>
    ruleText({ sel: `F|contains: ${["xy", "x", "y"][at]}` }, "[sel, sel]")
      .replace("title: T", `title: ${title}`)
  ).join("---\n");
  assert.deepEqual(resultsOf(rulesOf(text), { F: "xy" }).map((one) => one.rule_title), titles);
});

/** The field matches at a level, without the name of the selection, which is `sel` in all. */
function described(
  selection: string,
  event: EventSource,
  matchDetail: "off" | "summary" | "full" = "full",
  more = "",
): readonly Omit<FieldMatch, "selection">[] {
  const [result] = resultsOf(
    rulesOf(selectionRule(selection, more), { expandFromEvent: true }),
    event,
    { matchDetail },
  );
  assert.ok(result !== undefined, "no match");
  return result.matched_fields.map(({ selection: name, ...rest }) => {
    assert.equal(name, matchDetail === "off" || !("matcher" in rest) ? undefined : "sel");
    return rest;
  });
}

// 22.2: names of matchers and texts of patterns at `full`.
const PATTERNS: readonly (readonly [
  selection: string,
  event: EventSource,
  description: Omit<FieldMatch, "field" | "value">,
])[] = [
  ["F: AbC", { F: "ABC" }, { matcher: "exact", pattern: "abc", case_sensitive: false }],
  ["F|cased: AbC", { F: "AbC" }, { matcher: "exact", pattern: "AbC", case_sensitive: true }],
  ["F|contains: B", { F: "abc" }, { matcher: "contains", pattern: "b", case_sensitive: false }],
  ["F|startswith: A", { F: "ab" }, { matcher: "startswith", pattern: "a", case_sensitive: false }],
  ["F|endswith: C", { F: "bc" }, { matcher: "endswith", pattern: "c", case_sensitive: false }],
  ["F: 'A*.?'", { F: "ab.c" }, { matcher: "regex", pattern: "(?is)^A.*\\..$" }],
  ["F|contains|cased: 'A*b'", { F: "Axb" }, { matcher: "regex", pattern: "(?s)A.*b" }],
  ["F|re: 'a+'", { F: "aa" }, { matcher: "regex", pattern: "a+" }],
  ["F|re|i|s: 'a.'", { F: "aa" }, { matcher: "regex", pattern: "(?is)a." }],
  ["F: [A, b]", { F: "b" }, { matcher: "one_of", pattern: "a, b", case_sensitive: false }],
  ["F|cased: [A, b]", { F: "b" }, { matcher: "one_of", pattern: "A, b", case_sensitive: true }],
  ["F: [a, 5]", { F: 5 }, { matcher: "one_of", pattern: "a, = 5" }],
  ["F: [1, 2]", { F: 2 }, { matcher: "one_of", pattern: "= 1, = 2" }],
  ["F|cidr: 10.1.2.3/8", { F: "10.0.0.1" }, { matcher: "cidr", pattern: "10.0.0.0/8" }],
  ["F: 5", { F: "5" }, { matcher: "numeric", pattern: "= 5" }],
  ["F|gt: 4", { F: 5 }, { matcher: "numeric", pattern: "> 4" }],
  ["F|gte: 5", { F: 5 }, { matcher: "numeric", pattern: ">= 5" }],
  ["F|lt: 6", { F: 5 }, { matcher: "numeric", pattern: "< 6" }],
  ["F|lte: 5", { F: 5 }, { matcher: "numeric", pattern: "<= 5" }],
  ["F|exists: true", { F: 5 }, { matcher: "exists", pattern: "true" }],
  ["F|fieldref: G", { F: 5, G: 5 }, { matcher: "fieldref", pattern: "G", case_sensitive: false }],
  ["F: true", { F: "yes" }, { matcher: "bool", pattern: "true" }],
  ["F: null", { F: null }, { matcher: "null" }],
  ["F|expand: 'a%G%'", { F: "ab", G: "b" }, {
    matcher: "expand",
    pattern: "a%G%",
    case_sensitive: false,
  }],
  ["F|hour: 3", { F: "2024-07-10T03:45:00Z" }, { matcher: "timestamp", pattern: "= 3" }],
  ["F|neq: x", { F: "y" }, {
    matcher: "exact",
    pattern: "x",
    case_sensitive: false,
    negated: true,
  }],
];
for (const [selection, event, description] of PATTERNS) {
  test(`22.2: ${selection} describes itself`, () => {
    const [{ field, value, ...rest }] = described(selection, event) as [FieldMatch];
    assert.equal(field, "F");
    assert.deepEqual(value, (event as Record<string, unknown>)["F"]);
    assert.deepEqual(rest, description);
    const [summary] = described(selection, event, "summary") as [FieldMatch];
    assert.equal("pattern" in summary, false);
    assert.equal(summary.matcher, description.matcher);
    assert.deepEqual(described(selection, event, "off"), [{ field, value }]);
  });
}

test("22.2: keys of a field match stand in the specified order", () => {
  const [result] = resultsOf(rulesOf(selectionRule("F|contains|neq: X")), { F: "y" }, {
    matchDetail: "full",
  });
  assert.deepEqual(Object.keys(result!.matched_fields[0]!), [
    "field",
    "value",
    "selection",
    "matcher",
    "pattern",
    "case_sensitive",
    "negated",
  ]);
});

test("22.2: a pattern over 256 bytes is cut to 253 at a character's end", () => {
  const patternOf = (text: string) => described(`F: '${text}'`, { F: text })[0]!.pattern!;
  assert.equal(patternOf("a".repeat(256)), "a".repeat(256));
  assert.equal(patternOf("a".repeat(257)), `${"a".repeat(253)}...`);
  assert.equal(patternOf(`${"a".repeat(252)}\u20ac${"b".repeat(9)}`), `${"a".repeat(252)}...`);
  assert.equal(
    patternOf(`${"a".repeat(250)}\u20ac${"b".repeat(9)}`),
    `${"a".repeat(250)}\u20ac...`,
  );
});

test("28.5 #130, #131: two fields and keywords at each level", () => {
  const selection = "[{A: 1, B: x}, word]";
  const event = { A: 1, B: "X", m: "a Word" };
  assert.deepEqual(described(selection, event, "off"), [
    { field: "A", value: 1 },
    { field: "B", value: "X" },
  ]);
  const keyword = { field: "keyword", value: "a Word", matcher: "keyword", case_sensitive: false };
  assert.deepEqual(described(selection, event, "summary")[2], keyword);
  assert.deepEqual(described(selection, event, "full")[2], { ...keyword, pattern: "word" });
});

test("28.5 #132: a null item on a missing field", () => {
  assert.deepEqual(described("Image: null", {}, "off"), []);
  assert.deepEqual(described("Image: null", {}, "summary"), [
    { field: "Image", value: null, matcher: "null" },
  ]);
});

test("22.2: an absent field is never listed for `exists: false`", () => {
  assert.deepEqual(described("F|exists: false", { G: 1 }, "full"), []);
});

test("22.2: a list of mappings lists every branch that holds", () => {
  const selection = "[{A: 1}, {B: 2}, {C: 3}]";
  assert.deepEqual(described(selection, { A: 1, B: 9, C: 3 }, "off"), [
    { field: "A", value: 1 },
    { field: "C", value: 3 },
  ]);
});

test("22.2: a path that fans out gives the array of all values", () => {
  assert.deepEqual(described("a.b: 2", { a: [{ b: 1 }, { b: 2 }, { c: 1 }] }, "off"), [
    { field: "a.b", value: [1, 2] },
  ]);
  assert.deepEqual(described("a.b: 2", { a: [{ b: 2 }] }, "off"), [{ field: "a.b", value: 2 }]);
});

test("17.2, 22.2: an array block reports its container without a description", () => {
  const more = "sigma-version: 3\n";
  const event = { c: [{ p: 1 }, { p: 2 }] };
  assert.deepEqual(described("'c[any]': {p: 2}", event, "full", more), [
    { field: "c", value: event.c },
  ]);
  assert.deepEqual(described("'c[none]': {p: 2}", { d: 1 }, "full", more), []);
});

test("28.5 #134: a keyword in twenty texts is listed sixteen times", () => {
  const event = { m: Array.from({ length: 20 }, (_, at) => `word ${at}`) };
  const fields = described("[word]", event);
  assert.equal(fields.length, 16);
  assert.deepEqual(fields.map(({ value }) => value), event.m.slice(0, 16));
});

test("22.2: an aliased field keeps the rule's name and the event's value", () => {
  const rules = rulesOf(
    ruleText(
      { sel: "{Image|endswith: \\cmd.exe, ParentImage: null}" },
      "sel",
      "logsource: {product: windows, category: process_creation}\n",
    ),
  );
  const event = { Channel: "Security", EventID: 4688, NewProcessName: "C:\\Cmd.exe" };
  const [result] = resultsOf(rules, event);
  assert.deepEqual(result?.matched_fields, [{ field: "Image", value: "C:\\Cmd.exe" }]);
});

test("22.1: values keep their type and all their digits", () => {
  const [result] = resultsOf(rulesOf(selectionRule("F|exists: true")), {
    json: '{"F":[9007199254740993,1.5,true,null,{"a":"b"}]}',
  });
  assert.equal(
    jsonText(result?.matched_fields),
    '[{"field":"F","value":[9007199254740993,1.5,true,null,{"a":"b"}]}]',
  );
});
