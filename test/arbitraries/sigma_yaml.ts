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

const key = fc.tuple(
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

const selection: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    value,
    fc.array(value, { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 3 }),
    fc.array(tie("tree"), { maxLength: 3 }),
  ),
})).tree;

/** What a rule's document holds, as data: often wrong, never far from a rule. */
const document = fc.record({
  title: fc.oneof(fc.constant("T"), value),
  action: fc.constantFrom(undefined, undefined, undefined, "global", "repeat", "reset", 5),
  "sigma-version": fc.constantFrom(undefined, 2, 3, "v3.1", 4, "soon"),
  status: fc.constantFrom("test", "experimentl", 5),
  related: fc.oneof(value, fc.array(fc.record({ id: value, type: value }, { requiredKeys: [] }))),
  logsource: fc.oneof(value, fc.dictionary(fc.constantFrom("product", "category", "x"), value)),
  detection: fc.oneof(
    { weight: 1, arbitrary: value },
    {
      weight: 9,
      arbitrary: fc.record({ sel_1: selection, sel_2: selection, condition: conditionText }),
    },
  ),
  filter: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.record({ rules: value, sel_1: selection, condition: value }) },
  ),
  correlation: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constantFrom("event_count", "temporal", "value_sum", "evnt_count"),
        rules: fc.array(fc.string({ maxLength: 3 })),
        timespan: fc.constantFrom("5m", "5x", 60),
        condition: fc.oneof(value, fc.dictionary(fc.constantFrom("gte", "lt", "field"), value)),
        window: fc.constantFrom(undefined, "session", "tumbling", "x"),
        gap: fc.constantFrom(undefined, "5m", 300),
      }, { requiredKeys: [] }),
    },
  ),
  "rsigma.window": fc.constantFrom(undefined, "session"),
  owner: value,
}, { requiredKeys: [] });

/** JSON is YAML; infinities and NaN, which JSON lacks, become null. */
export const ruleFile: fc.Arbitrary<string> = fc.array(document, { maxLength: 4 })
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
