/** Conditions, rule files and damaged rule files. */
import fc from "fast-check";
import type { Condition } from "../../src/sigma/rule.ts";

const NAMES = ["sel_1", "sel_2", "filter_a", "filter_b", "_hidden", "and-more", "notable"] as const;

interface WrittenCondition {
  readonly names: readonly string[];
  readonly tree: Condition;
  readonly text: string;
}

type Node = { readonly tree: Condition; readonly text: string };

const leaf: fc.Arbitrary<Node> = fc.oneof(
  fc.constantFrom(...NAMES).map((name) => ({
    tree: { kind: "selection", name } as const,
    text: name,
  })),
  fc.record({
    count: fc.constantFrom("1", "2", "all", "any"),
    prefix: fc.constantFrom("sel_", "filter_", ""),
  }).map(({ count, prefix }): Node => ({
    tree: {
      kind: "quantified",
      need: count === "all" ? "all" : count === "any" ? 1 : Number(count),
      pattern: `${prefix}*`,
      names: NAMES.filter((name) => name.startsWith(prefix)),
    },
    text: `${count} of ${prefix}*`,
  })),
);

/** Groups hold no group of their own kind and `not` no `not`: that is how trees come out. */
const { node } = fc.letrec<{ node: Node; group: Node; not: Node }>((tie) => ({
  node: fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, tie("group"), tie("not")),
  group: fc.tuple(
    fc.constantFrom("and" as const, "or" as const),
    fc.array(tie("node"), { minLength: 2, maxLength: 4 }),
  ).map(([kind, members]): Node => ({
    tree: {
      kind,
      children: members.flatMap(({ tree }) => tree.kind === kind ? tree.children : [tree]),
    },
    text: members.map(({ text }) => `(${text})`).join(` ${kind} `),
  })),
  not: tie("node").map(({ tree, text }): Node => ({
    tree: tree.kind === "not" ? tree.child : { kind: "not", child: tree },
    text: `not (${text})`,
  })),
}));

/** A condition as a tree and as text. */
export const condition: fc.Arbitrary<WrittenCondition> = node.map((written) => ({
  names: NAMES,
  ...written,
}));

/** Text that looks like a condition more or less. */
export const conditionText: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    fc.constantFrom("and", "or", "not", "1", "all", "any", "of", "them", "(", ")", "*", "|", "\n"),
    fc.constantFrom(...NAMES),
    fc.string({ maxLength: 4 }),
  ),
  { maxLength: 40 },
).map((words) => words.join(" "));

/** What is right nearly always, so that whole rules are right often enough. */
function mostly<T, U>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: bad });
}

const FIELDS = ["Image", "CommandLine", "EventID", "a.b", "x[any]", "x[0].y", "", "."] as const;
const MODIFIERS = [
  "contains",
  "startswith",
  "endswith",
  "all",
  "re",
  "cidr",
  "exists",
  "fieldref",
  "gt",
  "hour",
  "neq",
  "cased",
  "i",
  "wide",
  "base64",
  "base64offset",
  "windash",
  "expand",
  "not",
  "kontains",
] as const;

const wildKey = fc.tuple(
  fc.constantFrom(...FIELDS),
  fc.array(fc.constantFrom(...MODIFIERS), { maxLength: 3 }),
).map(([field, modifiers]) => [field, ...modifiers].join("|"));

const value = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom("a*b", "\\*", "-x", "10.0.0.0/8", "%p%", "[open", "${source.x}", "5", ""),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);

const values = fc.array(value, { minLength: 2, maxLength: 4 });

/** Keys with values that fit them. */
const fittingItem: fc.Arbitrary<readonly [string, unknown]> = fc.tuple(
  fc.constantFrom("Image", "CommandLine", "a.b", ".", "x[0]"),
  fc.oneof(
    fc.tuple(fc.constantFrom("", "|contains", "|endswith|cased", "|neq", "|windash"), value),
    fc.tuple(fc.constantFrom("|all", "|contains|all", "|expand|all"), values),
    fc.tuple(fc.constant("|re|i"), fc.string()),
    fc.tuple(fc.constant("|cidr"), fc.constantFrom("10.0.0.0/8", "fe80::/10")),
    fc.tuple(fc.constantFrom("|gt", "|lte", "|hour"), fc.oneof(fc.integer(), fc.constant("2.5"))),
    fc.tuple(fc.constantFrom("|fieldref", "|fieldref|contains"), fc.constantFrom("F", "a[0]")),
    fc.tuple(fc.constantFrom("|exists", "|exists|neq"), fc.boolean()),
    fc.tuple(fc.constantFrom("|base64offset", "|wide|base64"), fc.constantFrom("ab", "\u00e9x")),
    fc.tuple(fc.constant("|expand"), fc.constantFrom("%p%", "a%q%b", "50%", "\\%p\\%")),
  ),
).map(([field, [chain, fitting]]) => [field + chain, fitting]);

const items = fc.array(fittingItem, { minLength: 1, maxLength: 4 })
  .map((entries): unknown => Object.fromEntries(entries));

const wildSelection: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    value,
    fc.array(value, { maxLength: 3 }),
    fc.dictionary(wildKey, tie("tree"), { maxKeys: 3 }),
    fc.array(tie("tree"), { maxLength: 3 }),
  ),
})).tree;

const selection = mostly(
  fc.oneof(
    items,
    fc.array(items, { minLength: 1, maxLength: 3 }),
    fc.array(fc.oneof(fc.string(), fc.integer()), { minLength: 1, maxLength: 3 }),
    items.map((block): unknown => ({ "list[any]": block })),
  ),
  wildSelection,
);

const section = fc.record({
  sel_1: selection,
  sel_2: selection,
  condition: mostly(
    fc.constantFrom("sel_1", "1 of sel_*", "all of them and not sel_2", "sel_1 OR sel_2"),
    fc.oneof(conditionText, value),
  ),
});

/** What a rule's document holds, as data: never far from a rule. */
const document = fc.record({
  title: mostly(fc.constantFrom("T", "U"), value),
  action: mostly(fc.constant(undefined), fc.constantFrom("global", "repeat", "reset", 5)),
  "sigma-version": mostly(fc.constantFrom(undefined, 2, 3, "v3.1"), fc.constantFrom(4, "soon")),
  status: fc.constantFrom(undefined, "test", "experimentl", 5),
  related: mostly(
    fc.constantFrom(undefined, [{ id: "x", type: "derived" }]),
    fc.oneof(value, fc.array(fc.record({ id: value, type: value }, { requiredKeys: [] }))),
  ),
  logsource: mostly(
    fc.dictionary(fc.constantFrom("product", "category", "x"), value),
    value,
  ),
  detection: mostly(section, value),
  owner: value,
});

const filterDocument = fc.record({
  title: fc.constant("F"),
  filter: fc.tuple(section, mostly(fc.constantFrom("any", ["T"], ["x"]), value))
    .map(([body, rules]) => ({ ...body, rules })),
});

const correlationDocument = fc.record({
  title: fc.constant("C"),
  id: fc.constantFrom("c1", "c2", undefined),
  correlation: fc.record({
    type: mostly(fc.constantFrom("event_count", "temporal", "value_sum"), value),
    rules: fc.array(fc.constantFrom("c1", "c2", "T"), { maxLength: 3 }),
    timespan: mostly(fc.constant("5m"), fc.constantFrom("5x", 60)),
    condition: mostly(
      fc.record({ gte: fc.integer() }),
      fc.oneof(value, conditionText, fc.dictionary(fc.constantFrom("gte", "lt", "field"), value)),
    ),
    window: mostly(fc.constant(undefined), fc.constantFrom("session", "tumbling", "x")),
    gap: mostly(fc.constant(undefined), fc.constantFrom("5m", 300)),
  }),
});

/** JSON is YAML; infinities and NaN, which JSON lacks, become null. */
export const ruleFile: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: document },
    { weight: 1, arbitrary: filterDocument },
    { weight: 1, arbitrary: correlationDocument },
  ),
  { maxLength: 4 },
)
  .map((documents) => documents.map((one) => JSON.stringify(one)).join("\n---\n"));

/** Pieces that mean something to a YAML reader, in any order. */
export const yamlNoise: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    fc.constantFrom("\n", "  ", "- ", ": ", "? ", "|", ">", "'", '"', "{", "}", "[", "]", ",", "#"),
    fc.constantFrom("&a ", "*a", "!t ", "!!int ", "<<", "---\n", "...\n", "%YAML 1.1\n", "\t"),
    fc.constantFrom("title", "detection", "condition", "sel", "filter", "correlation", "action"),
    fc.string({ maxLength: 3, unit: "binary" }),
  ),
  { maxLength: 60 },
).map((pieces) => pieces.join(""));

/** `text` with a few pieces cut out, doubled or replaced. */
export function damaged(text: string): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat(text.length),
    length: fc.nat(20),
    insert: fc.oneof(yamlNoise, fc.constant("")),
  });
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) =>
    edits.reduce(
      (result, { at, length, insert }) => result.slice(0, at) + insert + result.slice(at + length),
      text,
    )
  );
}
