/**
 * Patterns of rules as tests of event values.
 *
 * What can be prepared when a rule is compiled is prepared here: case is folded, networks and
 * numbers are parsed, wildcards are cut. Two kinds of test come out: those of one scalar, which an
 * array passes if any of its members does, and those of the value as a whole.
 */
import { type Field, internField } from "../event/field.ts";
import { mappedIpv4, parseIpv4, parseIpv6 } from "../event/ip.ts";
import { isoWeek, parseTimestamp } from "../event/timestamp.ts";
import { isObject, parseStrictNumber, scalarText, Spellings, type Value } from "../event/value.ts";
import type {
  CompareOperator,
  Pattern,
  StringOperator,
  TemplatePart,
  TimePart,
} from "../sigma/rule.ts";
import { compileTokens, type TextTest } from "./glob.ts";
import { compileRegex } from "./regex/compile.ts";

/** Where `fieldref` and templates look up other fields: always the whole event. */
export interface Scope {
  value(field: Field): Value | undefined;
}

/** A compiled pattern. */
export type PatternTest =
  /** Tests the text of a scalar; `lower` says that it wants the text in lower case. */
  | { readonly kind: "text"; readonly lower: boolean; readonly test: TextTest }
  /** Tests a scalar that need not have a text. */
  | { readonly kind: "scalar"; readonly test: (value: Value, scope: Scope) => boolean }
  /** Tests the whole value, arrays included. */
  | { readonly kind: "whole"; readonly test: (value: Value, scope: Scope) => boolean }
  | { readonly kind: "any"; readonly tests: readonly PatternTest[] };

/** Integer fields that Windows events write in hexadecimal where Sysmon writes decimal. */
const HEX_INTEGER_FIELDS: ReadonlySet<string> = new Set([
  "ProcessId",
  "ParentProcessId",
  "NewProcessId",
  "SourceProcessId",
  "TargetProcessId",
  "CallerProcessId",
  "ClientProcessId",
  "ThreadId",
  "SourceThreadId",
]);

/** Compiles `pattern` for values of the field called `fieldName`. */
export function compilePattern(pattern: Pattern, fieldName: string | undefined): PatternTest {
  switch (pattern.kind) {
    case "string":
      return {
        kind: "text",
        lower: !pattern.cased,
        test: compileTokens(pattern.tokens, pattern.operator, !pattern.cased),
      };
    case "regex":
      return { kind: "text", lower: false, test: lazyRegex(pattern.source, pattern.flags) };
    case "number":
      return {
        kind: "scalar",
        test: numberTest(
          pattern.text,
          fieldName !== undefined && HEX_INTEGER_FIELDS.has(fieldName),
        ),
      };
    case "boolean":
      return { kind: "scalar", test: booleanTest(pattern.value) };
    case "cidr":
      return { kind: "text", lower: false, test: cidrTest(pattern.network) };
    case "compare":
      return { kind: "scalar", test: compareTest(pattern.operator, pattern.text) };
    case "timepart":
      return { kind: "scalar", test: timePartTest(pattern.part, pattern.value) };
    case "null":
      return { kind: "whole", test: (value) => value === null };
    case "exists":
      return { kind: "whole", test: () => pattern.expected };
    case "fieldref":
      return fieldRefTest(internField(pattern.field), pattern.operator, pattern.cased);
    case "template":
      return templateTest(pattern.parts, pattern.operator, pattern.cased);
    case "any":
      return {
        kind: "any",
        tests: pattern.patterns.map((part) => compilePattern(part, fieldName)),
      };
  }
}

/** Compiles the expression when it is first needed: most rules of a set never wake. */
function lazyRegex(source: string, flags: string): TextTest {
  let compiled: { test(text: string): boolean } | undefined;
  return (text) => (compiled ??= compileRegex(source, flags)).test(text);
}

const INTEGER = /^[+-]?\d+$/;

function numberTest(text: string, mayBeHex: boolean): (value: Value) => boolean {
  const expected = parseStrictNumber(text) ?? NaN;
  // An infinity stands for any number that is too large, so two of them are not known to be equal.
  if (!Number.isFinite(expected) && !INTEGER.test(text)) return () => false;
  const exact = INTEGER.test(text) && !Number.isSafeInteger(expected) ? BigInt(text) : undefined;
  return (value) => {
    switch (typeof value) {
      case "number":
        return value === expected && Number.isFinite(value) &&
          (exact === undefined || BigInt(value) === exact);
      case "bigint":
        return exact !== undefined && value === exact;
      case "string": {
        if (mayBeHex && /^0x[0-9a-f]+$/i.test(value)) return Number(value) === expected;
        const number = parseStrictNumber(value);
        if (number !== expected) return false;
        return exact === undefined || !INTEGER.test(value) || BigInt(value) === exact;
      }
      default:
        return false;
    }
  };
}

function booleanTest(expected: boolean): (value: Value) => boolean {
  const words: ReadonlySet<string> = new Set(
    expected ? ["true", "1", "yes"] : ["false", "0", "no"],
  );
  return (value) =>
    typeof value === "boolean"
      ? value === expected
      : typeof value === "string" && words.has(value.toLowerCase());
}

/** A number for comparing: exact where an integer needs it. */
function comparable(value: Value): number | bigint | undefined {
  switch (typeof value) {
    case "number":
    case "bigint":
      return value;
    case "string": {
      const number = parseStrictNumber(value);
      return number !== undefined && INTEGER.test(value) && !Number.isSafeInteger(number)
        ? BigInt(value)
        : number;
    }
    default:
      return undefined;
  }
}

function compareTest(operator: CompareOperator, text: string): (value: Value) => boolean {
  const bound = comparable(text) ?? NaN;
  return (value) => {
    const number = comparable(value);
    if (number === undefined) return false;
    switch (operator) {
      case "gt":
        return number > bound;
      case "gte":
        return number >= bound;
      case "lt":
        return number < bound;
      case "lte":
        return number <= bound;
    }
  };
}

/** The part of the instant in UTC; weeks are those of ISO 8601. */
export function timePart(part: TimePart, unixMs: number): number {
  const instant = new Date(unixMs);
  switch (part) {
    case "minute":
      return instant.getUTCMinutes();
    case "hour":
      return instant.getUTCHours();
    case "day":
      return instant.getUTCDate();
    case "week":
      return isoWeek(unixMs);
    case "month":
      return instant.getUTCMonth() + 1;
    case "year":
      return instant.getUTCFullYear();
  }
}

function timePartTest(part: TimePart, expected: number): (value: Value) => boolean {
  return (value) => {
    const instant = parseTimestamp(value);
    return instant !== undefined && timePart(part, instant) === expected;
  };
}

function cidrTest(network: string): TextTest {
  const slash = network.lastIndexOf("/");
  const address = network.slice(0, slash);
  const prefix = Number(network.slice(slash + 1));
  const v4 = parseIpv4(address);
  if (v4 !== undefined) {
    // Shifting by 32 is shifting by 0 in JavaScript, so a /0 needs its own mask.
    const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
    const wanted = (v4 & mask) >>> 0;
    return (text) => {
      const groups = text.includes(":") ? parseIpv6(text) : undefined;
      const own = groups === undefined ? parseIpv4(text) : mappedIpv4(groups);
      return own !== undefined && ((own & mask) >>> 0) === wanted;
    };
  }
  const wanted = parseIpv6(address) ?? [];
  return (text) => {
    const groups = parseIpv6(text);
    if (groups === undefined) return false;
    for (let at = 0; at < 8; at++) {
      const bits = Math.min(16, Math.max(0, prefix - at * 16));
      const mask = (0xffff << (16 - bits)) & 0xffff;
      if ((groups[at]! & mask) !== (wanted[at]! & mask)) return false;
    }
    return true;
  };
}

function textTest(needle: string, operator: StringOperator, text: string): boolean {
  switch (operator) {
    case "equals":
      return text === needle;
    case "contains":
      return text.includes(needle);
    case "startswith":
      return text.startsWith(needle);
    case "endswith":
      return text.endsWith(needle);
  }
}

function fieldRefTest(other: Field, operator: StringOperator, cased: boolean): PatternTest {
  return {
    kind: "whole",
    test: (value, scope) => {
      const right = scope.value(other);
      if (right === undefined) return false;
      if (!(value instanceof Spellings) && !(right instanceof Spellings)) {
        return sameText(value, right, operator, cased);
      }
      return spellings(value).some((one) =>
        spellings(right).some((two) => sameText(one, two, operator, cased))
      );
    },
  };
}

function spellings(value: Value): readonly Value[] {
  return value instanceof Spellings ? value : [value];
}

function sameText(left: Value, right: Value, operator: StringOperator, cased: boolean): boolean {
  if (operator === "equals" && cased) return sameValue(left, right);
  const leftText = scalarText(left);
  const rightText = scalarText(right);
  if (leftText === undefined || rightText === undefined) {
    return operator === "equals" && sameValue(left, right);
  }
  return cased
    ? textTest(rightText, operator, leftText)
    : textTest(rightText.toLowerCase(), operator, leftText.toLowerCase());
}

/** Structural, typed equality: 5 is not `"5"`. */
function sameValue(left: Value, right: Value): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length &&
      left.every((member, at) => sameValue(member, right[at]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && sameValue(left[key]!, right[key]!));
}

function templateTest(
  parts: readonly TemplatePart[],
  operator: StringOperator,
  cased: boolean,
): PatternTest {
  const fields = parts.map((part) => part.kind === "text" ? part.text : internField(part.field));
  return {
    kind: "scalar",
    test: (value, scope) => {
      const text = scalarText(value);
      if (text === undefined) return false;
      return ([0, 1] as const).some((spelling) => {
        const filled = fields.map((part) =>
          typeof part === "string" ? part : fillingText(scope.value(part), spelling)
        ).join("");
        return cased
          ? textTest(filled, operator, text)
          : textTest(filled.toLowerCase(), operator, text.toLowerCase());
      });
    },
  };
}

/** What a placeholder becomes; `spelling` chooses where the field has several. */
function fillingText(value: Value | undefined, spelling: 0 | 1): string {
  return (value instanceof Spellings ? value[spelling] : scalarText(value)) ?? "";
}
