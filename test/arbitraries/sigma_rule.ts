/**
 * Checked rules and events that meet often: few fields, short texts from a small alphabet, and the
 * values that make matchers go wrong (case, wildcards, numbers as text, lists, nulls, absence).
 */
import fc from "fast-check";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import type {
  ArrayBody,
  Condition,
  Detection,
  DetectionRule,
  Item,
  Logsource,
  Pattern,
  Selection,
  StringToken,
} from "../../src/sigma/rule.ts";

const POSITION = { line: 1, column: 1 } as const;
const FIELDS = [
  "Image",
  "CommandLine",
  "EventID",
  "Data.Sub",
  "ProcessId",
  "List",
  "User",
] as const;

/** Short texts over letters that differ in case, length when folded, and meaning to patterns. */
export const text: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom(
    "a",
    "A",
    "b",
    "B",
    "-",
    "/",
    " ",
    "1",
    "\\",
    "\n",
    "\u2013",
    "\u0130",
    "😀",
    // Letters whose lower case depends on their neighbours, is shared, or is longer.
    "\u03a3",
    "\u03c3",
    "\u212a",
    "k",
    "\u0307",
    "i",
  ),
  maxLength: 6,
});
const word: fc.Arbitrary<string> = fc.oneof(
  text,
  fc.constantFrom(
    "cmd.exe",
    "\\CMD.exe",
    "powershell",
    "4688",
    "4624.0",
    "0x4",
    "true",
    "10.1.2.3",
    "2024-07-10T03:45:00Z",
    // Words that get a text gate, and texts that have them in other letters.
    "kelvin-7",
    "x\u212aELV\u0130N-7\u212aelvin-7",
    "mimikatz",
    "MIMI\u212aATZ",
    "46250",
  ),
);

const tokens: fc.Arbitrary<readonly StringToken[]> = fc.oneof(
  { weight: 3, arbitrary: word.map((value) => [{ kind: "text", text: value }] as const) },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("text" as const), text: word }),
        fc.constantFrom<StringToken>({ kind: "any" }, { kind: "one" }, { kind: "dash" }),
      ),
      { maxLength: 4 },
    ),
  },
);

const operator = fc.constantFrom(
  "equals" as const,
  "contains" as const,
  "startswith" as const,
  "endswith" as const,
);
const numberText = fc.constantFrom(
  "4688",
  "4",
  "1",
  "1.5",
  "-3",
  "-2",
  "9007199254740993",
  "0",
  "46250",
  "inf",
  "nan",
);

const simplePattern: fc.Arbitrary<Pattern> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("string" as const),
      operator,
      tokens,
      cased: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: numberText.map((value): Pattern => ({ kind: "number", text: value })) },
  fc.boolean().map((value): Pattern => ({ kind: "boolean", value })),
  fc.constant<Pattern>({ kind: "null" }),
  fc.constantFrom<Pattern>(
    { kind: "regex", source: "a.*b", flags: "" },
    { kind: "regex", source: "^cmd|shell$", flags: "i" },
    { kind: "regex", source: "[ab]{2}", flags: "s" },
    { kind: "regex", source: "kel", flags: "i" },
    { kind: "regex", source: "mimi[kx]", flags: "" },
    { kind: "regex", source: "(?:cmd|shell)\\.?", flags: "i" },
  ),
  fc.constantFrom<Pattern>(
    { kind: "cidr", network: "10.0.0.0/8" },
    { kind: "cidr", network: "fe80::/10" },
  ),
  fc.boolean().map((expected): Pattern => ({ kind: "exists", expected })),
  fc.record({
    kind: fc.constant("fieldref" as const),
    field: fc.constantFrom(...FIELDS),
    operator,
    cased: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("compare" as const),
    operator: fc.constantFrom("gt" as const, "gte" as const, "lt" as const, "lte" as const),
    text: numberText,
  }),
  fc.constantFrom<Pattern>(
    { kind: "timepart", part: "hour", value: 3 },
    { kind: "timepart", part: "year", value: 1970 },
    { kind: "timepart", part: "week", value: 28 },
  ),
  fc.record({
    kind: fc.constant("template" as const),
    operator,
    parts: fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("text" as const), text }),
        fc.record({ kind: fc.constant("field" as const), field: fc.constantFrom(...FIELDS) }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    cased: fc.boolean(),
  }),
);
const pattern: fc.Arbitrary<Pattern> = fc.oneof(
  { weight: 8, arbitrary: simplePattern },
  fc.array(simplePattern, { minLength: 1, maxLength: 3 }).map((patterns): Pattern => ({
    kind: "any",
    patterns,
  })),
);

function itemOf(field: fc.Arbitrary<string | undefined>): fc.Arbitrary<Item> {
  return fc.record({
    field,
    patterns: fc.array(pattern, { minLength: 1, maxLength: 10 }),
    all: fc.boolean(),
    negated: fc.boolean(),
  }).map(({ field: name, ...rest }) => ({
    ...rest,
    ...(name === undefined ? {} : { field: name }),
    key: name ?? "",
    position: POSITION,
  }));
}

const fieldItem = itemOf(fc.constantFrom(...FIELDS));
/** Few literal words: only these get a text gate. */
const gatedItem: fc.Arbitrary<Item> = fc.record({
  patterns: fc.array(
    fc.constantFrom("kelvin-7", "mimikatz", "46250", "shell", "\\\\cmd").map((part): Pattern => ({
      kind: "string",
      operator: "contains",
      tokens: [{ kind: "text", text: part }],
      cased: false,
    })),
    { minLength: 1, maxLength: 3 },
  ),
  all: fc.boolean(),
}).map((parts) => ({ ...parts, negated: false, key: "", position: POSITION }));

const hasExists = (one: Pattern): boolean =>
  one.kind === "exists" || (one.kind === "any" && one.patterns.some(hasExists));

const keywordItem = fc.oneof(
  // `exists` never stands beside other patterns.
  itemOf(fc.constant(undefined)).map((item): Item =>
    item.patterns.some(hasExists)
      ? { ...item, patterns: [{ kind: "exists", expected: true }] }
      : item
  ),
  gatedItem,
);

const allOf: fc.Arbitrary<Detection> = fc.array(fieldItem, { minLength: 1, maxLength: 3 })
  .map((items) => ({ kind: "all_of", items }));
const keywords: fc.Arbitrary<Detection> = keywordItem.map((item) => ({ kind: "keywords", item }));
const arrayBody: fc.Arbitrary<ArrayBody> = fc.oneof(
  itemOf(fc.constantFrom("x", "y", undefined)).map((item): ArrayBody => ({
    kind: "basic",
    detection: { kind: "all_of", items: [item] },
  })),
  fc.tuple(itemOf(fc.constantFrom("x", undefined)), itemOf(fc.constantFrom("y", undefined))).map((
    [first, second],
  ): ArrayBody => ({
    kind: "extended",
    selections: [
      { name: "p", detection: { kind: "all_of", items: [first] }, position: POSITION },
      { name: "q", detection: { kind: "all_of", items: [second] }, position: POSITION },
    ],
    conditions: [{
      kind: "and",
      children: [{ kind: "selection", name: "p" }, {
        kind: "not",
        child: { kind: "selection", name: "q" },
      }],
    }],
  })),
);
const array: fc.Arbitrary<Detection> = fc.record({
  kind: fc.constant("array" as const),
  field: fc.constantFrom("List", "User"),
  quantifier: fc.constantFrom(
    "any" as const,
    "all" as const,
    "all_or_empty" as const,
    "none" as const,
  ),
  body: arrayBody,
});
const detection: fc.Arbitrary<Detection> = fc.oneof(
  { weight: 6, arbitrary: allOf },
  { weight: 1, arbitrary: keywords },
  { weight: 1, arbitrary: array },
  {
    weight: 2,
    arbitrary: fc.array(fc.oneof(allOf, keywords), { minLength: 1, maxLength: 3 })
      .map((branches): Detection => ({ kind: "any_of", branches })),
  },
  fc.tuple(allOf, array).map(([first, second]): Detection => ({
    kind: "and",
    branches: [first, second],
  })),
);

const NAMES = ["s1", "s2", "f1"] as const;
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(...NAMES).map((name): Condition => ({ kind: "selection", name })),
    fc.record({
      kind: fc.constant("quantified" as const),
      need: fc.constantFrom("all" as const, 0, 1, 2),
      pattern: fc.constant("*"),
      names: fc.subarray([...NAMES], { minLength: 1 }),
    }),
    tie("condition").map((child): Condition => ({ kind: "not", child })),
    fc.tuple(
      fc.constantFrom("and" as const, "or" as const),
      fc.array(tie("condition"), { minLength: 2, maxLength: 3 }),
    ).map(([kind, children]): Condition => ({ kind, children })),
  ),
}));

const selections: fc.Arbitrary<readonly Selection[]> = fc.tuple(detection, detection, detection)
  .map((all) => all.map((one, at) => ({ name: NAMES[at]!, detection: one, position: POSITION })));

const logsource: fc.Arbitrary<Logsource> = fc.constantFrom<Logsource>(
  { custom: {} },
  { product: "windows", custom: {} },
  { product: "linux", custom: {} },
  { product: "windows", category: "process_creation", custom: {} },
  { product: "windows", service: "security", custom: {} },
  { product: "windows", category: "registry_delete", custom: {} },
  { category: "proxy", custom: {} },
);

/** Lets fast-check print what matters of a rule. */
function readable(one: DetectionRule): DetectionRule {
  return Object.defineProperty(one, fc.toStringMethod, { value: () => shownRule(one) });
}

/** The parts of a rule that decide what it matches, as JSON. */
export function shownRule({ logsource, conditions, selections, filters }: DetectionRule): string {
  return jsonText({ logsource, conditions, selections, filters })
    .replace(/,?"position":\{[^}]*\}|,?"key":"[^"]*"/g, "");
}

/** A rule in the form the front end gives. */
export const rule: fc.Arbitrary<DetectionRule> = fc.record({
  logsource,
  selections,
  conditions: fc.array(condition, { minLength: 1, maxLength: 2 }),
  filters: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    fc.record({
      title: fc.constant("filter"),
      selections,
      conditions: fc.tuple(condition),
    }).map((filter) => [filter]),
  ),
}).map((parts) =>
  readable({
    kind: "detection",
    title: "generated",
    related: [],
    references: [],
    fields: [],
    falsepositives: [],
    tags: [],
    scope: [],
    sigmaVersion: 3,
    customAttributes: {},
    origin: { path: "generated.yml", document: 0, line: 1 },
    ...parts,
  })
);

const scalar: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: word },
  fc.constantFrom<Value>(4688, 4, 1, 1.5, -3, 0, 4624, 1e21, 46250, 1720583100),
  fc.constantFrom<Value>(9007199254740993n, -9223372036854775808n),
  fc.boolean(),
  fc.constant(null),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.array(fc.array(scalar, { maxLength: 2 }), { maxLength: 2 }),
  fc.array(fc.record({ x: scalar, y: scalar }, { requiredKeys: [] }), { maxLength: 3 }),
  fc.record({ x: scalar }),
);

/** An event of a known channel, an unknown one, or none. */
const flatEvent: fc.Arbitrary<Readonly<Record<string, Value>>> = fc.record({
  Channel: fc.constantFrom<Value>(
    "Security",
    "security",
    "Microsoft-Windows-Sysmon/Operational",
    "Somewhere",
    5,
  ),
  EventID: fc.constantFrom<Value>(1, 12, "1", "4688", 4688, 4624, 77, "x", null, [1], -2, 4.5),
  EventType: fc.constantFrom<Value>("CreateKey", "DeleteKey", "INFO"),
  Image: value,
  NewProcessName: scalar,
  CommandLine: value,
  "Data.Sub": scalar,
  Data: fc.record({ Sub: value }, { requiredKeys: [] }),
  ProcessId: scalar,
  List: value,
  User: value,
  Provider_Name: fc.constantFrom<Value>(
    "Microsoft-Windows-Security-Auditing",
    "Microsoft-Windows-Sysmon",
    "Other",
  ),
}, { requiredKeys: [] }) as fc.Arbitrary<Readonly<Record<string, Value>>>;

/** An event, flat or in one of the nested shapes of Windows events. */
export const eventValue: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: flatEvent as fc.Arbitrary<Value> },
  flatEvent.map(({ Channel, EventID, ...data }): Value => ({
    Event: {
      System: {
        ...(Channel === undefined ? {} : { Channel }),
        ...(EventID === undefined ? {} : { EventID: { "#text": EventID } }),
      },
      EventData: data,
    },
  })),
  flatEvent.map(({ Channel = null, EventID = null, ...data }): Value => ({
    winlog: { channel: Channel, event_id: EventID, event_data: data },
  })),
);

/** JSON text of an event, some characters as escapes and some numbers with exponents. */
export const eventJson: fc.Arbitrary<string> = fc.tuple(eventValue, fc.nat(5)).map(
  ([root, spelling]) => {
    const json = jsonText(root);
    if (spelling === 0) return json.replace(/"(?:[^"\\]|\\.)*"/g, withEscapes);
    if (spelling === 1) return json.replace(/([[:,])(\d)(\d*)(?=[,}\]])/g, withExponent);
    return json;
  },
);

function withEscapes(literal: string): string {
  return literal.replace(
    /\\(?:u[0-9a-f]{4}|.)|[a-z\u0080-\uffff]/g,
    (part) =>
      part.startsWith("\\") ? part : `\\u${part.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function withExponent(number: string, before: string, head: string, tail: string): string {
  return tail.length > 12 || head === "0" || tail === ""
    ? number
    : `${before}${head}.${tail}e${tail.length}`;
}
