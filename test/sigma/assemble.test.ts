import assert from "node:assert/strict";
import { test } from "node:test";
import { type AssembleOptions, assembleRules } from "../../src/sigma/assemble.ts";
import { includesEvent } from "../../src/sigma/attributes.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { CorrelationRule, RuleCollection } from "../../src/sigma/rule.ts";
import { errorsOf } from "./helpers.ts";

/** Documents of one file each. */
function assemble(...texts: readonly string[]): RuleCollection {
  return assembleRules(texts.map((text, index) => parseRules(text, `${index}.yml`)));
}

function codes({ problems }: RuleCollection): readonly string[] {
  return problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

const RULE = `title: Some rule
id: 6d0c1c1e-7b3a-4c55-9d6a-0a54a2f0b001
name: some_rule
logsource: {product: Windows, category: process_creation}
detection: {sel: {F: x}, condition: sel}
`;
const OTHER = `title: Other rule
logsource: {product: linux}
detection: {sel: {F: x}, condition: sel}
`;

function filter(body: string, logsource = ""): string {
  return `title: A filter\nid: f1\n${logsource}filter: {${body}, agent: {F: y}, condition: not agent}\n`;
}

/** Titles of the rules that got the filter. */
function filtered(text: string): readonly string[] {
  return assemble(RULE, OTHER, text).rules
    .filter(({ filters }) => filters.length > 0).map(({ title }) => title);
}

const BOTH = ["Some rule", "Other rule"];

// sigma-rules.md, sections 5.1, 18 and 28.5.
const TARGETS: readonly (readonly [text: string, titles: readonly string[]])[] = [
  [filter("rules: [6d0c1c1e-7b3a-4c55-9d6a-0a54a2f0b001]"), ["Some rule"]],
  [filter("rules: Other rule"), ["Other rule"]],
  [filter("rules: [some_rule]"), ["Some rule"]],
  [filter("rules: [SOME_RULE]"), []],
  [filter("rules: []"), BOTH],
  [filter("rules: any"), BOTH],
  [filter("rules: ANY"), BOTH],
  [filter("rules: 5"), BOTH],
  [filter("rules: [5]"), BOTH],
  [filter("other: {F: z}"), BOTH],
  [filter("rules: any", "logsource: {product: WINDOWS}\n"), ["Some rule"]],
  [filter("rules: any", "logsource: {category: process_creation}\n"), ["Some rule"]],
  [filter("rules: any", "logsource: {product: windows, service: security}\n"), []],
  [filter("rules: any", "logsource: {definition: x, tier: one}\n"), BOTH],
];

for (const [text, titles] of TARGETS) {
  test(`assembleRules() applies ${text.replace(/\n/g, " ")}`, () => {
    assert.deepEqual(filtered(text), titles);
  });
}

test("assembleRules() binds a filter's conditions to its own selections", () => {
  const text = `title: F
filter:
  f_a: {F: y}
  f_b: {G: y}
  condition: [not 1 of f_*, f_a and f_b]
`;
  const [rule] = assemble(RULE, text, filter("rules: any")).rules;
  assert.deepEqual(rule?.filters.map(({ title, id }) => [title, id]), [
    ["F", undefined],
    ["A filter", "f1"],
  ]);
  const [bound] = rule.filters;
  assert.deepEqual(bound?.selections.map(({ name }) => name), ["f_a", "f_b"]);
  assert.deepEqual(bound.conditions[0], {
    kind: "not",
    child: { kind: "quantified", need: 1, pattern: "f_*", names: ["f_a", "f_b"] },
  });
  assert.equal(bound.conditions.length, 2);
});

test("assembleRules() warns of a filter that names no rule", () => {
  assert.deepEqual(codes(assemble(RULE, filter("rules: [ghost, some_rule]"))), [
    "warning filter_target_unmatched 1.yml",
  ]);
});

const BAD_FILTERS: readonly (readonly [text: string, error: RegExp])[] = [
  ["title: F\nfilter: x\n", /^missing_field Missing required field 'filter'/],
  ["title: F\nfilter: {rules: any}\n", /^missing_field Missing required field 'filter.selection'/],
  ["title: F\nfilter: {s: {A: b}}\n", /^missing_field Missing required field 'condition'/],
  ["filter: {s: {A: b}, condition: s}\n", /^missing_field Missing required field 'title'/],
  ["title: F\nfilter: {s: {A: b}, condition: not typo}\n", /^unknown_detection_identifier /],
  ["title: F\nfilter: {s: [], condition: s}\n", /^empty_selection /],
];

for (const [text, expected] of BAD_FILTERS) {
  test(`parseRules() refuses the filter ${JSON.stringify(text)}`, () => {
    const parsed = parseRules(text, "f.yml");
    assert.equal(parsed.filters.length, 0);
    assert.match(errorsOf(parsed)[0] ?? "", expected);
  });
}

test("a document with detection and filter is a filter", () => {
  const { rules, filters } = parseRules(`${filter("rules: any")}detection: 5\n`, "f.yml");
  assert.deepEqual([rules.length, filters.length], [0, 1]);
});

test("assembleRules() warns of a repeated id and keeps both rules", () => {
  const collection = assemble(RULE, RULE);
  assert.equal(collection.rules.length, 2);
  assert.deepEqual(codes(collection), ["warning duplicate_id 1.yml"]);
  assert.match(collection.problems[0]!.message, /'Some rule' \(0\.yml:1\)/);
});

function correlation(body: string, head = "title: C\n"): string {
  return `${head}correlation: {${body}}\n`;
}

function only(text: string): CorrelationRule {
  const { correlations, problems } = parseRules(text, "c.yml");
  assert.deepEqual(problems, []);
  return correlations[0]!;
}

test("parseRules() reads a correlation with every field (correlation.md, 4.6)", () => {
  const { origin, ...rule } = only(`title: Password spray
id: c1
name: spray
level: high
tags: [attack.credential_access]
rsigma.suppress: 30m
custom_attributes:
  rsigma.max_correlation_events: "50"
correlation:
  type: value_count
  rules: [b1]
  group-by: [ip]
  timespan: 15m
  window: session
  gap: 2m
  aliases: {ip: {b1: IpAddress, bad: 5}, worse: x}
  condition: {field: [TargetUserName, TargetDomainName], lte: 90, gte: 8.5}
generate: true
`);
  assert.equal(origin.line, 1);
  assert.deepEqual(rule, {
    kind: "correlation",
    title: "Password spray",
    id: "c1",
    name: "spray",
    level: "high",
    related: [],
    references: [],
    fields: [],
    falsepositives: [],
    tags: ["attack.credential_access"],
    scope: [],
    sigmaVersion: 2,
    customAttributes: { "rsigma.suppress": "30m", "rsigma.max_correlation_events": "50" },
    type: "value_count",
    rules: ["b1"],
    groupBy: ["ip"],
    timespanSeconds: 900,
    window: "session",
    gapSeconds: 120,
    condition: {
      bounds: [{ operator: "lte", value: 90 }, { operator: "gte", value: 8.5 }],
      fields: ["TargetUserName", "TargetDomainName"],
    },
    aliases: { ip: { b1: "IpAddress" } },
    generate: true,
  });
});

const BASE = "type: event_count, rules: [b], timespan: 1m, condition: {gte: 2}";

// correlation.md, section 36.1.
const TIMESPANS: readonly (readonly [written: string, seconds: number | undefined])[] = [
  ["15s", 15],
  ["30m", 1800],
  ["1h", 3600],
  ["7d", 604_800],
  ["2w", 1_209_600],
  ["1M", 2_629_746],
  ["1y", 31_556_952],
  ["0s", 0],
  ["x", undefined],
  ["1x", undefined],
  ["''", undefined],
  ["5H", undefined],
  ["1.5h", undefined],
  ["5 m", undefined],
  ["-5m", undefined],
  ["+5m", undefined],
  ["1é", undefined],
  ["\u{1F600}s", undefined],
  ["99999999999999999d", undefined],
  ["60", undefined],
];

for (const [written, seconds] of TIMESPANS) {
  test(`parseRules() reads the timespan ${written}`, () => {
    const text = correlation(BASE.replace("1m", written));
    const { correlations, problems } = parseRules(text, "c.yml");
    assert.equal(correlations[0]?.timespanSeconds, seconds);
    assert.equal(problems[0]?.code, seconds === undefined ? "invalid_timespan" : undefined);
  });
}

type Shape = Partial<CorrelationRule>;

const ACCEPTED: readonly (readonly [text: string, shape: Shape])[] = [
  [correlation(`${BASE}, timeframe: 2h`), { timespanSeconds: 7200 }],
  [correlation(BASE), { window: "sliding", generate: false, groupBy: [] }],
  [correlation(`${BASE}, window: tumbling`), { window: "tumbling" }],
  [correlation(`${BASE}, generate: true`), { generate: true }],
  [correlation(BASE, "title: C\ngenerate: true\n"), { generate: true }],
  [correlation(`${BASE}, window: session`, "title: C\nrsigma.window: tumbling\n"), {
    window: "tumbling",
  }],
  [
    correlation(
      `${BASE}, gap: 5m`,
      "title: C\nrsigma.window: tumbling\ncustom_attributes: {picket.window: session}\n",
    ),
    { window: "session", gapSeconds: 300 },
  ],
  [correlation(BASE.replace("{gte: 2}", "{gt: 2, lte: 5}")), {
    condition: {
      bounds: [{ operator: "lte", value: 5 }, { operator: "gt", value: 2 }],
      fields: [],
    },
  }],
  [correlation(BASE.replace("2}", "-1}")), {
    condition: { bounds: [{ operator: "gte", value: -1 }], fields: [] },
  }],
  [correlation("type: temporal, rules: [a, b, a], timespan: 1m"), {
    condition: { bounds: [{ operator: "gte", value: 2 }], fields: [], implied: true },
  }],
  [correlation("type: temporal, rules: b, timespan: 1m, condition: {field: x}"), {
    condition: { bounds: [{ operator: "gte", value: 1 }], fields: [], implied: true },
  }],
  [correlation("type: temporal, rules: [b, c], timespan: 1m, condition: b and not c"), {
    condition: {
      expression: {
        kind: "and",
        children: [
          { kind: "selection", name: "b" },
          { kind: "not", child: { kind: "selection", name: "c" } },
        ],
      },
    },
  }],
];

for (const [text, shape] of ACCEPTED) {
  test(`parseRules() accepts ${text.replace(/\n/g, " ")}`, () => {
    const rule = only(text);
    for (const [key, value] of Object.entries(shape)) {
      assert.deepEqual(rule[key as keyof CorrelationRule], value);
    }
  });
}

const REFUSED: readonly (readonly [text: string, error: RegExp])[] = [
  ["title: C\ncorrelation: x\n", /^correlation_type .*must be a mapping/],
  [correlation("rules: [b]"), /^correlation_type .*Missing correlation type/],
  [
    correlation(BASE.replace("event", "evnt")),
    /Unknown correlation type: evnt_count.*'event_count'/,
  ],
  [correlation(`${BASE}, window: session`), /^correlation_window .*requires a 'gap'/],
  [
    correlation(`${BASE}, gap: 5m`),
    /^correlation_window .*'gap' is only valid with window: session/,
  ],
  [correlation(`${BASE}, window: hopping`), /^correlation_window .*Unknown window mode: hopping/],
  [correlation(`${BASE}, window: session, gap: 300`), /^correlation_window .*quote it/],
  [correlation(`${BASE}, window: session, gap: 5x`), /^invalid_timespan /],
  [correlation(BASE, "title: C\nrsigma.window: 5\n"), /^correlation_window .*must be a string/],
  [correlation("type: event_count, rules: [b], timespan: 1m"), /requires a condition/],
  [correlation(BASE.replace("2}", "abc}")), /^correlation_condition .*'gte' requires a numeric/],
  [correlation(BASE.replace("2}", ".inf}")), /^correlation_condition .*'gte' requires a numeric/],
  [correlation(BASE.replace("{gte: 2}", "{field: User}")), /must have an operator/],
  [correlation(BASE.replace("{gte: 2}", "[]")), /must be a mapping or string/],
  [correlation(BASE.replace("{gte: 2}", "b and c")), /only supported for temporal/],
  [
    correlation("type: value_sum, rules: [b], timespan: 1m, condition: {gte: 1, field: [a, b]}"),
    /single numeric field, but 2 were declared/,
  ],
  [
    correlation("type: temporal, rules: [b], timespan: 1m, condition: b and"),
    /^condition_syntax /,
  ],
];

for (const [text, expected] of REFUSED) {
  test(`parseRules() refuses ${text.replace(/\n/g, " ")}`, () => {
    const parsed = parseRules(text, "c.yml");
    assert.equal(parsed.correlations.length, 0);
    const errors = errorsOf(parsed);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, expected);
  });
}

function chain(name: string, ...rules: readonly string[]): string {
  return correlation(
    `type: temporal, rules: [${rules.join(", ")}], timespan: 1m`,
    `title: ${name}\nid: ${name}\n`,
  );
}

function loaded(...texts: readonly string[]): readonly [readonly string[], readonly string[]] {
  const collection = assemble(RULE, ...texts);
  return [
    collection.correlations.map(({ title }) => title),
    collection.problems.map(({ message }) => message),
  ];
}

test("assembleRules() checks what correlations refer to (correlation.md, 36.1 #31 to #34)", () => {
  assert.deepEqual(loaded(chain("B", "A"), chain("A", "some_rule")), [["B", "A"], []]);
  assert.deepEqual(loaded(chain("A", "Some rule"), chain("B", "A"), chain("C", "B")), [[], [
    "unknown rule reference: Some rule (did you mean 'some_rule'?); " +
    "use the id or name of a loaded rule",
    "unknown rule reference: A: that correlation was not loaded",
    "unknown rule reference: B: that correlation was not loaded",
  ]]);
  assert.deepEqual(loaded(chain("A", "A")), [[], ["correlation cycle detected: A -> A"]]);
  assert.deepEqual(
    loaded(chain("A", "B"), chain("B", "C", "some_rule"), chain("C", "A"), chain("D", "A")),
    [[], [
      "correlation cycle detected: A -> B -> C -> A",
      "correlation cycle detected: B -> C -> A -> B",
      "correlation cycle detected: C -> A -> B -> C",
      "unknown rule reference: A: that correlation was not loaded",
    ]],
  );
});

test("assembleRules() checks a long chain in linear time", () => {
  const links = Array.from({ length: 3000 }, (_, index) => chain(`n${index}`, `n${index + 1}`));
  const [kept, problems] = loaded(links.join("---\n"));
  assert.deepEqual([kept.length, problems.length], [0, 3000]);
  const [all] = loaded([...links, chain("n3000", "some_rule")].join("---\n"));
  assert.equal(all.length, 3001);
});

test("assembleRules() lets a condition name rules by id or by name", () => {
  const rules = "type: temporal, rules: [6d0c1c1e-7b3a-4c55-9d6a-0a54a2f0b001], timespan: 1m";
  assert.deepEqual(loaded(correlation(`${rules}, condition: some_rule`)), [["C"], []]);
  const [none, problems] = loaded(correlation(`${rules}, condition: not ghost`));
  assert.deepEqual(none, []);
  assert.match(problems[0] ?? "", /^unknown rule reference: ghost in the condition/);
});

test("assembleRules() counts a rule named by id and by name once", () => {
  const text = chain("A", "some_rule", "6d0c1c1e-7b3a-4c55-9d6a-0a54a2f0b001");
  const { condition } = assemble(RULE, text).correlations[0]!;
  assert.ok("bounds" in condition);
  assert.deepEqual(condition.bounds, [{ operator: "gte", value: 1 }]);
});

test("assembleRules() binds a filter that names a correlation to it alone", () => {
  const collection = assemble(RULE, chain("A", "some_rule"), filter("rules: [A]"));
  assert.equal(collection.correlations[0]?.filters?.length, 1);
  assert.equal(collection.rules[0]?.filters.length, 0);
  const general = assemble(RULE, chain("A", "some_rule"), filter("rules: any"));
  assert.equal(general.correlations[0]?.filters, undefined);
  assert.equal(general.rules[0]?.filters.length, 1);
});

test("assembleRules() takes the statuses and levels it is asked for", () => {
  const graded = (title: string, more: string) =>
    `title: ${title}\nname: ${title}\n${more}detection: {sel: {F: x}, condition: sel}\n`;
  const files = [
    graded("plain", ""),
    graded("stable", "status: stable\nlevel: low\n"),
    graded("test", "status: test\nlevel: critical\n"),
    graded("used", "status: test\nlevel: low\n"),
    chain("C", "used"),
  ].map((text, index) => parseRules(text, `${index}.yml`));
  const titles = (options: AssembleOptions) =>
    assembleRules(files, options).rules.map(({ title }) => title);
  assert.deepEqual(titles({}), ["plain", "stable", "test", "used"]);
  assert.deepEqual(titles({ statuses: ["stable"] }), ["plain", "stable", "used"]);
  assert.deepEqual(titles({ minimumLevel: "high" }), ["plain", "test", "used"]);
});

// sigma-rules.md, sections 21 and 28.5 #133.
const INCLUDES: readonly (readonly [attribute: string, included: boolean])[] = [
  ["rsigma.include_event: true", true],
  ['rsigma.include_event: "true"', true],
  ["picket.include_event: true", true],
  ["{custom_attributes: {rsigma.include_event: true}}", true],
  ["rsigma.include_event: TRUE", true],
  ["rsigma.include_event: yes", false],
  ["{rsigma.include_event: true, picket.include_event: false}", false],
  ["other: true", false],
];

for (const [attribute, included] of INCLUDES) {
  test(`includesEvent() with ${attribute}`, () => {
    const more = attribute.startsWith("{") ? attribute.slice(1, -1) : attribute;
    const text = `{title: T, ${more}, detection: {sel: {F: x}, condition: sel}}`;
    assert.equal(includesEvent(parseRules(text, "r.yml").rules[0]!), included);
  });
}
