import assert from "node:assert/strict";
import { test } from "node:test";
import { assembleRules } from "../../src/sigma/assemble.ts";
import {
  checkRules,
  type LintFinding,
  type LintOptions,
  lintReferences,
  lintRules,
} from "../../src/sigma/lint.ts";
import { parseRules } from "../../src/sigma/parse.ts";

function found(findings: readonly LintFinding[]): readonly string[] {
  return findings.map(({ rule, severity, pointer }) => `${severity} ${rule} ${pointer}`);
}

const GOOD = {
  title: "A good rule",
  id: "11111111-2222-3333-4444-555555555555",
  status: "test",
  description: "Finds it.",
  author: "Someone",
  date: "2024-02-29",
  modified: "2024-03-01",
  tags: ["attack.t1059.001", "cve.2021-44228"],
  logsource: { product: "windows", category: "process_creation" },
  detection: { sel: { A: "x" }, condition: "sel" },
  level: "high",
} as const;

const GOOD_FILTER = {
  title: "F",
  description: "D",
  author: "A",
  logsource: { product: "windows" },
  filter: { rules: "any", sel: { A: "x" }, condition: "not sel" },
};

const BODY = {
  type: "event_count",
  rules: ["b"],
  "group-by": ["User"],
  timespan: "5m",
  condition: { gte: 5 },
};
const GOOD_CORRELATION = {
  title: "C",
  description: "D",
  author: "A",
  level: "low",
  correlation: BODY,
};

type Change = Readonly<Record<string, unknown>>;

function without(rule: Change, ...keys: readonly string[]): Change {
  return Object.fromEntries(Object.entries(rule).filter(([key]) => !keys.includes(key)));
}

function detection(sel: unknown, more: Change = {}): Change {
  return { ...GOOD, ...more, detection: { sel, condition: "sel" } };
}

function body(change: Change, ...dropped: readonly string[]): Change {
  return { ...GOOD_CORRELATION, correlation: without({ ...BODY, ...change }, ...dropped) };
}

// sigma-rules.md, section 25; correlation.md, section 35.
const FINDINGS: readonly (readonly [document: Change | string, found: readonly string[]])[] = [
  [GOOD, []],
  [GOOD_FILTER, []],
  [GOOD_CORRELATION, []],

  ["a: [", ["error yaml_parse_error "]],
  ["- a", ["error not_a_mapping "]],
  ["{a: 1, a: 2}", ["error schema_violation "]],
  ["action: foo", ["error schema_violation "]],

  [without(GOOD, "title"), ["error missing_title /title"]],
  [{ ...GOOD, title: " " }, ["error empty_title /title"]],
  [{ ...GOOD, title: "x".repeat(257) }, ["warning title_too_long /title"]],
  [{ ...GOOD, name: "x".repeat(257) }, ["warning name_too_long /name"]],
  [{ ...GOOD, taxonomy: "x".repeat(257) }, ["warning taxonomy_too_long /taxonomy"]],
  [{ ...GOOD, description: "x".repeat(65_536) }, ["warning description_too_long /description"]],
  [without(GOOD, "description", "author"), ["info missing_description ", "info missing_author "]],
  [{ ...GOOD, id: "x" }, ["warning invalid_id /id"]],
  [{ ...GOOD, status: "Test" }, ["error invalid_status /status"]],
  [{ ...GOOD, level: "HIGH" }, ["error invalid_level /level"]],
  [without(GOOD, "level"), ["warning missing_level "]],
  [{ ...GOOD, date: "2023-02-29" }, ["error invalid_date /date"]],
  [{ ...GOOD, date: "2024/02/01" }, ["error invalid_date /date"]],
  [{ ...GOOD, modified: "2024-13-01" }, ["error invalid_modified /modified"]],
  [{ ...GOOD, modified: "2024-02-28" }, ["warning modified_before_date /modified"]],
  [{ ...GOOD, Owner: "x" }, ["warning non_lowercase_key /Owner"]],
  [{ ...GOOD, titel: "x" }, ["info unknown_key /titel"]],
  [{ ...GOOD, owner: "x", "rsigma.include_event": true, "rsigma.ads.x": "y" }, []],
  [{ ...GOOD, "rsigma.include_evnt": true }, ["warning unknown_attribute /rsigma.include_evnt"]],
  [{ ...GOOD, custom_attributes: { "picket.actoin": "x" } }, [
    "warning unknown_attribute /custom_attributes/picket.actoin",
  ]],

  [without(GOOD, "logsource"), ["error missing_logsource /logsource"]],
  [without(GOOD, "detection"), ["error missing_detection /detection"]],
  [{ ...GOOD, detection: { sel: { A: "x" } } }, ["error missing_condition /detection"]],
  [{ ...GOOD, detection: { condition: "sel" } }, [
    "warning empty_detection /detection",
    "error condition_references_unknown /detection/condition",
  ]],
  [{ ...GOOD, detection: { ...GOOD.detection, condition: "1 of x*" } }, [
    "error condition_references_unknown /detection/condition",
  ]],
  [{ ...GOOD, detection: { "my-sel": { A: "x" }, condition: ["my-sel", "any of my*"] } }, []],
  [{ ...GOOD, detection: { ...GOOD.detection, condition: "sel |  count() by x > 5" } }, [
    "warning deprecated_aggregation_syntax /detection/condition",
  ]],
  [{ ...GOOD, detection: { ...GOOD.detection, condition: "sel and" } }, [
    "error invalid_condition /detection/condition",
  ]],
  [{ ...GOOD, detection: { ...GOOD.detection, condition: "NOT sel" } }, [
    "warning non_lowercase_keyword /detection/condition",
  ]],
  [{ ...GOOD, logsource: { product: "Windows", definition: "Any Text" } }, [
    "warning logsource_value_not_lowercase /logsource/product",
  ]],
  [{ ...GOOD, tags: ["Attack.T1", "atack.t1", "attack.t1", "attack.t1"] }, [
    "warning invalid_tag /tags/0",
    "warning unknown_tag_namespace /tags/1",
    "warning duplicate_tags /tags/3",
  ]],
  [{ ...GOOD, references: ["a", "a"], fields: ["b", "b"] }, [
    "warning duplicate_references /references/1",
    "warning duplicate_fields /fields/1",
  ]],
  [{ ...GOOD, falsepositives: ["x"], scope: ["y"] }, [
    "warning falsepositive_too_short /falsepositives/0",
    "warning scope_too_short /scope/0",
  ]],
  [detection({ A: [null, "x"] }), ["warning null_in_value_list /detection/sel/A"]],
  [detection({ A: [] }), ["warning empty_value_list /detection/sel/A"]],
  [detection([{ A: "*" }, { "A/B": ["x", "*"] }, { A: "**x" }, { "A|re": "*" }]), [
    "warning wildcard_only_value /detection/sel/0/A",
    "warning wildcard_only_value /detection/sel/1/A~1B",
  ]],
  [detection({ "A|contains|all": ["x"] }), [
    "warning single_value_all_modifier /detection/sel/A|contains|all",
  ]],
  [detection({ "A|re|all": ["x", "y"] }), ["warning all_with_re /detection/sel/A|re|all"]],
  [detection({ "A|re|cidr": "x" }), ["warning incompatible_modifiers /detection/sel/A|re|cidr"]],
  [detection({ "A|base64|wide": "x" }), ["warning modifier_order /detection/sel/A|base64|wide"]],
  [detection({ "A|wide|base64offset|contains": "x" }), []],
  [detection({ "A|wide": "x" }), ["warning utf16_without_base64 /detection/sel/A|wide"]],

  [{ ...GOOD, "sigma-version": 4 }, ["error unsupported_sigma_version /sigma-version"]],
  [detection({ "c[any].p": "x" }), [
    "warning array_matching_without_version /detection/sel/c[any].p",
  ]],
  [detection({ "c[any].p": "x", "c[any].q": "y", "c[all].q": "z" }, { "sigma-version": 3 }), [
    "warning flattened_array_correlation /detection/sel/c[any].q",
  ]],

  [{ ...GOOD, related: [{ id: "x", type: "derived" }, { id: GOOD.id, type: "derivd" }, {}] }, [
    "warning invalid_related_id /related/0/id",
    "error invalid_related_type /related/1/type",
    "error related_missing_required /related/2",
  ]],
  [{ ...GOOD, status: "deprecated" }, ["warning deprecated_without_related /status"]],

  [{ ...GOOD_FILTER, filter: 5 }, ["error missing_filter /filter"]],
  [without(GOOD_FILTER, "logsource"), ["error missing_filter_logsource /logsource"]],
  [{ ...GOOD_FILTER, level: "low", status: "test" }, [
    "warning filter_has_level /level",
    "warning filter_has_status /status",
  ]],
  [{ ...GOOD_FILTER, filter: { ...GOOD_FILTER.filter, rules: 5 } }, [
    "error missing_filter_rules /filter/rules",
  ]],
  [{ ...GOOD_FILTER, filter: { rules: "any" } }, [
    "error missing_filter_selection /filter",
    "error missing_filter_condition /filter",
  ]],

  [{ ...GOOD_CORRELATION, correlation: 5 }, ["error missing_correlation /correlation"]],
  [body({}, "type"), ["error missing_correlation_type /correlation"]],
  [body({ type: "evnt_count" }), ["error invalid_correlation_type /correlation/type"]],
  [body({}, "rules"), ["error missing_correlation_rules /correlation"]],
  [body({ rules: [] }), ["warning empty_correlation_rules /correlation/rules"]],
  [body({}, "timespan"), ["error missing_correlation_timespan /correlation"]],
  [body({ timespan: 60 }), ["error invalid_timespan_format /correlation/timespan"]],
  [body({ window: "hopping" }), ["error invalid_window_mode /correlation/window"]],
  [body({ window: "session" }), ["error missing_session_gap /correlation/window"]],
  [body({ gap: "5m" }), ["error gap_without_session /correlation/gap"]],
  [body({ window: "session", gap: 5 }), ["error invalid_gap_format /correlation/gap"]],
  [body({}, "condition"), ["error missing_correlation_condition /correlation"]],
  [body({ type: "temporal" }, "condition"), []],
  [body({ type: "value_count" }), ["error missing_condition_field /correlation/condition"]],
  [body({ condition: { gte: "x" } }), [
    "error condition_value_not_numeric /correlation/condition/gte",
  ]],
  [body({ condition: { gte: 5, gtt: 1 } }), [
    "error invalid_condition_operator /correlation/condition/gtt",
  ]],
  [body({ condition: { gte: 1 } }), [
    "warning threshold_always_holds /correlation/condition/gte",
  ]],
  [body({ condition: { lt: 5 } }), ["warning threshold_always_holds /correlation/condition/lt"]],
  [body({ condition: { eq: 5 } }), []],
  [body({ type: "value_percentile", condition: { gte: 5, field: "F", percentile: 101 } }), [
    "warning percentile_out_of_range /correlation/condition/percentile",
  ]],
  [body({}, "group-by"), ["error missing_group_by /correlation"]],
  [body({ generate: "yes" }), ["error generate_not_boolean /correlation/generate"]],
  [{ ...GOOD_CORRELATION, generate: 1 }, ["error generate_not_boolean /generate"]],
  [body({ type: "temporal_ordered", rules: ["a", "b", "a"] }), [
    "warning repeated_correlation_rule /correlation/rules",
  ]],
  [body({ type: "temporal", rules: ["a", "b"], condition: "a and not b" }), [
    "info not_in_temporal_condition /correlation/condition",
  ]],
  [body({ aliases: { User: { b: "F" }, other: { c: "F" } } }), [
    "warning unused_alias /correlation/aliases/other",
    "warning alias_of_unknown_rule /correlation/aliases/other/c",
  ]],
];

for (const [index, [document, expected]] of FINDINGS.entries()) {
  const text = typeof document === "string" ? document : JSON.stringify(document, null, 1);
  test(`lintRules() finds ${expected.join(", ") || "nothing"} in document ${index}`, () => {
    assert.deepEqual(found(lintRules(text, "r.yml")), expected);
  });
}

const SMELLY =
  "title: T\nTags: x\ndescription: D\nauthor: A\nlevel: low\nlogsource: {product: X}\n" +
  "detection: {sel: {A: b}, condition: sel}\n";

test("lintRules() gives places and rules", () => {
  const [finding] = lintRules(`${SMELLY}id: ${GOOD.id}\n`, "r.yml");
  assert.deepEqual(finding, {
    rule: "non_lowercase_key",
    severity: "warning",
    message: "key 'Tags' should be 'tags'",
    path: "r.yml",
    document: 0,
    line: 2,
    column: 1,
    pointer: "/Tags",
    ruleId: GOOD.id,
    ruleTitle: "T",
  });
});

const CASE = "warning non_lowercase_key /Tags";
const VALUE = "warning logsource_value_not_lowercase /logsource/product";

const CHOICES: readonly (readonly [
  name: string,
  text: string,
  options: LintOptions,
  found: readonly string[],
])[] = [
  ["everything", SMELLY, {}, [CASE, VALUE]],
  ["disabled rules", SMELLY, { disabledRules: ["non_lowercase_key"] }, [VALUE]],
  ["other severities", SMELLY, { severityOverrides: { non_lowercase_key: "hint" } }, [
    CASE.replace("warning", "hint"),
    VALUE,
  ]],
  ["a comment for the file", `# rsigma-disable\n${SMELLY}`, {}, []],
  ["a comment for one rule", `# rsigma-disable non_lowercase_key, invalid_id\n${SMELLY}`, {}, [
    VALUE,
  ]],
  ["a comment further down", SMELLY.replace("level", "# picket-disable\nlevel"), {}, [CASE]],
  [
    "a comment for the next line",
    SMELLY.replace("Tags", "# rsigma-disable-next-line\nTags"),
    {},
    [VALUE],
  ],
  [
    "a comment for another rule",
    SMELLY.replace("Tags", "# rsigma-disable-next-line invalid_id\nTags"),
    {},
    [CASE, VALUE],
  ],
  ["a known name space", `${SMELLY}tags: [corp.x]\n`, { tagNamespaces: ["corp"] }, [CASE, VALUE]],
];

for (const [name, text, options, expected] of CHOICES) {
  test(`lintRules() heeds ${name}`, () => {
    assert.deepEqual(found(lintRules(text, "r.yml", options)), expected);
  });
}

test("lintRules() asks for the documentation of alerts when told to", () => {
  const stable = {
    ...GOOD,
    status: "stable",
    "rsigma.ads.strategy": "",
    "rsigma.ads.respnse": "x",
  };
  const text = JSON.stringify(stable);
  assert.deepEqual(found(lintRules(text, "r.yml")), []);
  assert.deepEqual(found(lintRules(text, "r.yml", { ads: {} })).toSorted(), [
    "info ads_empty_section /rsigma.ads.strategy",
    "info ads_missing_priority ",
    "info ads_unknown_section /rsigma.ads.respnse",
    "warning ads_missing_blind_spots ",
    "warning ads_missing_false_positives ",
    "warning ads_missing_response ",
    "warning ads_missing_strategy ",
    "warning ads_missing_technical_context ",
    "warning ads_missing_validation ",
  ]);
  const exempt = JSON.stringify({ ...stable, "rsigma.ads.exempt": true });
  assert.deepEqual(found(lintRules(exempt, "r.yml", { ads: {} })), []);
  const test = JSON.stringify(GOOD);
  assert.deepEqual(found(lintRules(test, "r.yml", { ads: {} })), []);
  const one = { enforceStatus: ["test"], required: ["strategy"] };
  assert.deepEqual(found(lintRules(test, "r.yml", { ads: one })), [
    "warning ads_missing_strategy ",
  ]);
});

test("checkRules() gives what parseRules() and lintRules() give", () => {
  const text = `${SMELLY}---\n${JSON.stringify(detection({ "A|x": [] }))}\n---\n- a\n`;
  const { parsed, findings } = checkRules(text, "r.yml");
  assert.deepEqual(parsed, parseRules(text, "r.yml"));
  assert.deepEqual(findings, lintRules(text, "r.yml"));
});

test("lintReferences() looks at what correlations name", () => {
  const rule = { ...GOOD, name: "b", "sigma-version": 3 };
  const text = `${JSON.stringify(rule)}\n---\n${JSON.stringify(body({ rules: ["b", "ghost"] }))}\n`;
  const { rules, correlations } = parseRules(text, "r.yml");
  const expected = [
    "warning sigma_version_mismatch /correlation/rules",
    "info reference_by_name /correlation/rules",
    "warning unknown_rule_reference /correlation/rules",
  ];
  assert.deepEqual(found(lintReferences({ rules, correlations })), expected);
  assert.deepEqual(lintReferences(assembleRules([parseRules(text, "r.yml")])), []);
});
