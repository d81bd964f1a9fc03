/**
 * Field keys: the field, and the modifiers behind it as a set of flags.
 *
 * The order in which modifiers are written has no effect, so a chain becomes one record; what
 * cannot stand together is refused here, before any value is looked at.
 *
 * @see sigma-rules.md, sections 9.1, 12.1 and 12.2
 */
import type { Utf16Form } from "./encodings.ts";
import { RuleError } from "./problems.ts";
import type { CompareOperator, StringOperator, TimePart } from "./rule.ts";
import { didYouMean } from "./suggest.ts";

type ValueOperator =
  | Exclude<StringOperator, "equals">
  | "re"
  | "cidr"
  | "exists"
  | "fieldref"
  | CompareOperator
  | TimePart;

/** The modifiers of one key, other spellings resolved. */
export interface ModifierSet {
  /** `contains`, `startswith`, `endswith`; the only operator that may join another (`fieldref`). */
  readonly stringOperator: StringOperator | undefined;
  /** Any operator that does not compare text with the written value. */
  readonly operator: Exclude<ValueOperator, StringOperator> | undefined;
  readonly all: boolean;
  readonly cased: boolean;
  readonly neq: boolean;
  readonly expand: boolean;
  readonly windash: boolean;
  readonly utf16: Utf16Form | undefined;
  readonly base64: "base64" | "base64offset" | undefined;
  /** Subset of `ims`, in this order. */
  readonly regexFlags: string;
}

/** A field key taken apart. */
export interface FieldKey {
  /** `undefined` for a field-less item. */
  readonly field: string | undefined;
  readonly modifiers: ModifierSet;
}

type Name =
  | ValueOperator
  | "all"
  | "cased"
  | "neq"
  | "expand"
  | "windash"
  | "base64"
  | "base64offset"
  | Utf16Form
  | "i"
  | "m"
  | "s";

const OPERATORS: readonly ValueOperator[] = [
  "contains",
  "startswith",
  "endswith",
  "re",
  "cidr",
  "exists",
  "fieldref",
  "gt",
  "gte",
  "lt",
  "lte",
  "minute",
  "hour",
  "day",
  "week",
  "month",
  "year",
];
const UTF16_FORMS: readonly Utf16Form[] = ["wide", "utf16", "utf16be"];
const ENCODINGS: readonly Name[] = ["base64", "base64offset", ...UTF16_FORMS, "windash", "expand"];
const REGEX_FLAGS: readonly Name[] = ["i", "m", "s"];

const NAMES = new Map<string, Name>([
  ...([...OPERATORS, ...ENCODINGS, ...REGEX_FLAGS, "all", "cased", "neq"] as const)
    .map((name) => [name, name] as const),
  ["utf16le", "wide"],
  ["ignorecase", "i"],
  ["multiline", "m"],
  ["dotall", "s"],
]);

/** Every spelling a modifier has. */
export const MODIFIER_NAMES: readonly string[] = [...NAMES.keys()];

/** The modifiers as written, behind the field. */
export function splitKey(key: string): { field: string; modifiers: readonly string[] } {
  const [field = "", ...modifiers] = key.split("|");
  return { field, modifiers };
}

/**
 * Takes a field key apart.
 *
 * @param at Where the key stands, for the error.
 * @throws {RuleError} `unknown_modifier`, or `invalid_modifiers` for a chain that makes no sense.
 */
export function parseFieldKey(key: string, at: number): FieldKey {
  const { field, modifiers } = splitKey(key);
  const named = field === "" || field === "." ? undefined : field;
  return { field: named, modifiers: resolveModifiers(modifiers, at, key) };
}

const NO_MODIFIERS: ModifierSet = {
  stringOperator: undefined,
  operator: undefined,
  all: false,
  cased: false,
  neq: false,
  expand: false,
  windash: false,
  utf16: undefined,
  base64: undefined,
  regexFlags: "",
};

function resolveModifiers(written: readonly string[], at: number, key: string): ModifierSet {
  if (written.length === 0) return NO_MODIFIERS;
  const names = written.map((name) => resolveName(name, at, key));
  checkLegality(names, at, key);
  const has = new Set(names);
  const operators = OPERATORS.filter((name) => has.has(name));
  return {
    stringOperator: operators.find(isStringOperator),
    operator: operators.find((name): name is Exclude<ValueOperator, StringOperator> =>
      !isStringOperator(name)
    ),
    all: has.has("all"),
    cased: has.has("cased"),
    neq: has.has("neq"),
    expand: has.has("expand"),
    windash: has.has("windash"),
    utf16: UTF16_FORMS.find((name) => has.has(name)),
    base64: (["base64", "base64offset"] as const).find((name) => has.has(name)),
    regexFlags: REGEX_FLAGS.filter((name) => has.has(name)).join(""),
  };
}

function resolveName(name: string, at: number, key: string): Name {
  const known = NAMES.get(name);
  if (known !== undefined) return known;
  if (name === "not") {
    const message = "'not' is not a value modifier: negate in the condition (`not selection`), " +
      "or use |neq";
    throw new RuleError("unknown_modifier", message, at, key);
  }
  const hint = name === ""
    ? ": remove the '|' without a name"
    : didYouMean(name, MODIFIER_NAMES) || `; known are ${MODIFIER_NAMES.join(", ")}`;
  throw new RuleError("unknown_modifier", `Unknown modifier '${name}'${hint}`, at, key);
}

function isStringOperator(name: Name): name is Exclude<StringOperator, "equals"> {
  return name === "contains" || name === "startswith" || name === "endswith";
}

function isTimePart(name: Name): boolean {
  return OPERATORS.indexOf(name as ValueOperator) >= OPERATORS.indexOf("minute");
}

/** The five checks in the order of the specification; the first that fails is the error. */
function checkLegality(names: readonly Name[], at: number, key: string): void {
  const fail = (detail: string): never => {
    const message = `invalid modifier combination: ${detail}`;
    throw new RuleError("invalid_modifiers", message, at, key);
  };
  const show = (found: readonly Name[]) => found.map((name) => `|${name}`).join(", ");

  // A repeated modifier is harmless, but each time part counts on its own.
  const operators = names.filter((name, index) =>
    OPERATORS.includes(name as ValueOperator) &&
    (isTimePart(name) || names.indexOf(name) === index)
  );
  const refWithString = operators.length === 2 && operators.includes("fieldref") &&
    operators.some(isStringOperator);
  if (operators.length > 1 && !refWithString) {
    fail(`at most one operator may be set per field; got ${show(operators)}`);
  }
  const unique = [...new Set(names)];
  const utf16 = unique.filter((name) => UTF16_FORMS.includes(name as Utf16Form));
  if (utf16.length > 1) fail(`at most one UTF-16 encoding may be set; got ${show(utf16)}`);
  if (unique.includes("base64") && unique.includes("base64offset")) {
    fail("|base64 and |base64offset exclude each other");
  }
  const encodings = unique.filter((name) => ENCODINGS.includes(name));
  const other = operators.find((name) => !isStringOperator(name));
  if (other !== undefined && encodings.length > 0) {
    fail(`|${other} does not compare encoded text; remove ${show(encodings)}`);
  }
  const flags = unique.filter((name) => REGEX_FLAGS.includes(name));
  if (flags.length > 0 && !unique.includes("re")) fail(`${show(flags)} needs |re`);
  const encoded = encodings.find((name) => name !== "windash" && name !== "expand");
  if (unique.includes("windash") && encoded !== undefined) {
    fail(`|windash has no meaning under |${encoded}; list the variants as values`);
  }
}
