/**
 * One detection item: a field key and its values, as patterns.
 *
 * Everything the modifiers say is worked out here, value by value, in the order that section 12.3
 * of the specification fixes: `expand`, time part, `fieldref`, `re`, `cidr`, comparison, values
 * that are not text, encodings, plain text.
 */
import { parseStrictNumber } from "../event/value.ts";
import { canonicalCidr } from "./cidr.ts";
import { base64, base64Offsets, bytesAsText, dashTokens, utf16Bytes } from "./encodings.ts";
import { type FieldKey, type ModifierSet, parseFieldKey } from "./modifiers.ts";
import type { Reading } from "./options.ts";
import {
  eventTemplate,
  type ExpandPart,
  fillPlaceholders,
  splitPlaceholders,
} from "./placeholders.ts";
import { RuleError } from "./problems.ts";
import type { Item, Pattern, StringOperator, StringToken } from "./rule.ts";
import { parseSigmaString, plainText, textTokens } from "./strings.ts";
import { nodeText, type YamlNode, type YamlScalar } from "./yaml.ts";

/**
 * Where an item without a field stands: a keyword is found anywhere in a text of the event, a
 * member of an array must equal the value.
 */
export type ItemPlace = "field" | "keyword" | "member";

/** A key and its value in a rule file. `at` is where the key stands. */
export interface ItemSource {
  readonly key: string;
  readonly at: number;
  readonly value: YamlNode;
}

/**
 * Compiles one item of a mapping.
 *
 * @param inArray Whether the item is tried on the members of an array block.
 * @throws {RuleError} What makes the item invalid; `at` is the value at fault where there is one.
 */
export function compileItem(source: ItemSource, reading: Reading, inArray: boolean): Item {
  return compileKeyed(source, parseFieldKey(source.key, source.at), reading, inArray);
}

/** As `compileItem`, for a key that was taken apart before. */
export function compileKeyed(
  source: ItemSource,
  { field, modifiers }: FieldKey,
  reading: Reading,
  inArray: boolean,
): Item {
  const values = valuesOf(source, reading);
  const place = field !== undefined ? "field" : inArray ? "member" : "keyword";
  const item = new ItemCompiler(source.key, modifiers, place, reading).compile(values, source.at);
  return {
    ...(field === undefined ? {} : { field: fieldName(field, reading.sigmaVersion) }),
    ...item,
    key: source.key,
    position: reading.log.position(source.at),
  };
}

/** Compiles a selection that is a bare value or a list of them: words searched in the event. */
export function compileKeywords(
  values: readonly YamlScalar[],
  at: number,
  reading: Reading,
): Item {
  const { modifiers } = parseFieldKey("", at);
  const compiler = new ItemCompiler("", modifiers, "keyword", reading);
  return { ...compiler.compile(values, at), key: "", position: reading.log.position(at) };
}

/** First major of `sigma-version` in which brackets in a field select array members. */
export const ARRAY_MATCHING_SINCE = 3;

/** The field as lookups read it: brackets without a meaning are marked literal. */
export function fieldName(written: string, sigmaVersion: number): string {
  if (sigmaVersion >= ARRAY_MATCHING_SINCE || !/[[\]]/.test(written)) return written;
  return written.replace(/\\?[[\]]/g, (found) => found.startsWith("\\") ? found : `\\${found}`);
}

function valuesOf(source: ItemSource, reading: Reading): readonly YamlScalar[] {
  const { key, value, at } = source;
  const invalid = (what: string, where: number) => {
    const message = `Invalid detection: field '${key}' has ${what}; use a text, a number or a list`;
    return new RuleError("invalid_detection", message, where, key);
  };
  if (value.kind === "map") throw invalid("a mapping value", at);
  if (value.kind !== "list") return [value];
  if (value.items.length === 0) {
    const message = `field '${key}' has an empty list, which can never match; remove the item`;
    throw new RuleError("empty_value_list", message, at, key);
  }
  if (value.items.length > reading.limits.valuesPerItem) {
    const message = `field '${key}' has ${value.items.length} values; at most ` +
      `${reading.limits.valuesPerItem} are allowed`;
    throw new RuleError("too_many_values", message, at, key);
  }
  return value.items.map((member) => {
    if (member.kind === "map") throw invalid("a mapping in its list", member.at);
    if (member.kind === "list") throw invalid("a list in its list", member.at);
    return member;
  });
}

class ItemCompiler {
  readonly #key: string;
  readonly #modifiers: ModifierSet;
  readonly #place: ItemPlace;
  readonly #reading: Reading;
  readonly #operator: StringOperator;

  constructor(key: string, modifiers: ModifierSet, place: ItemPlace, reading: Reading) {
    this.#key = key;
    this.#modifiers = modifiers;
    this.#place = place;
    this.#reading = reading;
    this.#operator = modifiers.stringOperator ?? (place === "keyword" ? "contains" : "equals");
  }

  compile(values: readonly YamlScalar[], at: number): Pick<Item, "patterns" | "all" | "negated"> {
    const { operator, neq, all } = this.#modifiers;
    if (operator === "exists") {
      return { patterns: [this.#exists(values[0]!)], all: false, negated: false };
    }
    if (all && values.length < 2) {
      const message = "invalid modifier combination: |all modifier requires more than one value; " +
        "remove |all or add a value";
      throw this.#error("invalid_modifiers", message, at);
    }
    const patterns = values.flatMap((value) => this.#patternsOf(value, all));
    // "None of them" is the only reading of `neq` over a list that excludes anything.
    return { patterns, all: all && !neq, negated: neq };
  }

  #exists(value: YamlScalar): Pattern {
    const text = nodeText(value).toLowerCase();
    const no = text === "false" || text === "no";
    if (!no && text !== "true" && text !== "yes") {
      const message = `|exists takes true or false; '${text}' is taken for true`;
      this.#reading.log.warn("exists_value", message, value.at, this.#key);
    }
    return { kind: "exists", expected: no === this.#modifiers.neq };
  }

  /** A value gives one pattern, except a placeholder outside `all`, which gives one each. */
  #patternsOf(value: YamlScalar, all: boolean): readonly Pattern[] {
    if (value.kind === "string") this.#checkText(value.text, value.at);
    const { operator, expand } = this.#modifiers;
    if (operator !== undefined) return [this.#operatorPattern(value)];
    if (expand) {
      const patterns = this.#expanded(value);
      return all && patterns.length > 1 ? [{ kind: "any", patterns }] : patterns;
    }
    return [this.#valuePattern(value)];
  }

  #checkText(text: string, at: number): void {
    if (text.length > this.#reading.limits.valueLength) {
      const message = `value of ${text.length} characters; at most ` +
        `${this.#reading.limits.valueLength} are allowed`;
      throw this.#error("value_too_long", message, at);
    }
    if (text.includes("${source.")) {
      const message = "unresolved source placeholder: ${source.…} is filled in pipelines only, " +
        "not in rules";
      throw this.#error("unresolved_source", message, at);
    }
  }

  #operatorPattern(value: YamlScalar): Pattern {
    const { operator, regexFlags, cased } = this.#modifiers;
    switch (operator) {
      case "fieldref":
        if (value.kind !== "string" || value.text === "") {
          throw this.#incompatible("|fieldref needs the name of a field", value.at);
        }
        return {
          kind: "fieldref",
          field: fieldName(value.text, this.#reading.sigmaVersion),
          operator: this.#modifiers.stringOperator ?? "equals",
          cased,
        };
      case "re":
        return this.#regex(value, regexFlags);
      case "cidr": {
        const network = value.kind === "string" ? canonicalCidr(value.text) : undefined;
        if (network !== undefined) return { kind: "cidr", network };
        const message = `invalid CIDR: '${nodeText(value)}' is no IPv4 or IPv6 network; write ` +
          "address/prefix, as in 10.0.0.0/8";
        throw this.#error("invalid_cidr", message, value.at);
      }
      case "gt":
      case "gte":
      case "lt":
      case "lte": {
        const text = numericText(value);
        if (text !== undefined) return { kind: "compare", operator, text };
        const message = `expected numeric value: |${operator} cannot compare with ` +
          `'${nodeText(value)}'`;
        throw this.#error("expected_numeric", message, value.at);
      }
      case "minute":
      case "hour":
      case "day":
      case "week":
      case "month":
      case "year": {
        // Adding zero turns -0 into 0, which JSON could not keep.
        const number = Number(numericText(value) ?? NaN) + 0;
        if (!Number.isFinite(number)) {
          const message = `timestamp part modifier requires numeric value, not ` +
            `'${nodeText(value)}'`;
          throw this.#incompatible(message, value.at);
        }
        this.#checkTimePart(operator, number, value.at);
        return { kind: "timepart", part: operator, value: number };
      }
      case "exists":
      case undefined:
        throw new RangeError("handled by the caller");
    }
  }

  #regex(value: YamlScalar, flags: string): Pattern {
    if (value.kind === "null") {
      throw this.#incompatible("|re needs a regular expression, not null", value.at);
    }
    const source = nodeText(value);
    const problem = this.#reading.options.checkRegex?.(source, flags);
    if (problem === undefined) return { kind: "regex", source, flags };
    throw this.#error("invalid_regex", `invalid regex pattern: ${problem}`, value.at);
  }

  #checkTimePart(part: keyof typeof TIME_RANGES, value: number, at: number): void {
    const [low, high] = TIME_RANGES[part];
    if (Number.isInteger(value) && value >= low && value <= high) return;
    const message = `|${part} is a whole number from ${low} to ${high}; ${value} never matches`;
    this.#reading.log.warn("time_part_range", message, at, this.#key);
  }

  #expanded(value: YamlScalar): readonly Pattern[] {
    if (value.kind === "null") {
      throw this.#incompatible("|expand needs a text, not null", value.at);
    }
    if (value.kind !== "string") return [this.#valuePattern(value)];
    const { options, limits } = this.#reading;
    const parts = splitPlaceholders(value.text);
    const unknown = parts.some((part) =>
      part.kind === "placeholder" && options.placeholders?.get(part.name) === undefined
    );
    if (unknown && options.expandFromEvent === true) return [this.#template(parts, value.at)];
    const limit = limits.placeholderProduct;
    return fillPlaceholders(parts, options.placeholders, limit, value.at)
      .map((tokens) => this.#textPattern(tokens, value.at));
  }

  #template(parts: readonly ExpandPart[], at: number): Pattern {
    const { windash, base64, utf16, cased } = this.#modifiers;
    if (windash || base64 !== undefined || utf16 !== undefined) {
      const message = "invalid modifier combination: a placeholder filled from the event cannot " +
        "be encoded; give it a list of values";
      throw this.#error("invalid_modifiers", message, at);
    }
    return { kind: "template", operator: this.#operator, parts: eventTemplate(parts), cased };
  }

  #valuePattern(value: YamlScalar): Pattern {
    switch (value.kind) {
      case "string":
        return this.#textPattern(parseSigmaString(value.text), value.at);
      case "integer":
      case "float":
        if (this.#operator !== "equals") return this.#stringPattern(textTokens(value.text));
        return { kind: "number", text: value.text };
      case "boolean":
        if (this.#place === "keyword") return this.#stringPattern(textTokens(nodeText(value)));
        return { kind: "boolean", value: value.value };
      case "null":
        if (this.#place === "keyword") {
          const message = "null is no word to search for and never matches; remove it";
          this.#reading.log.warn("null_keyword", message, value.at);
        }
        return { kind: "null" };
    }
  }

  #textPattern(tokens: readonly StringToken[], at: number): Pattern {
    const { utf16, base64: form, windash } = this.#modifiers;
    if (utf16 === undefined && form === undefined) {
      return this.#stringPattern(windash ? dashTokens(tokens) : tokens);
    }
    const text = plainText(tokens);
    if (text === undefined) {
      const message = "incompatible value for modifier: wildcards cannot be encoded; escape them " +
        "(\\*) or remove them";
      throw this.#error("incompatible_value", message, at);
    }
    const bytes = utf16 === undefined ? new TextEncoder().encode(text) : utf16Bytes(text, utf16);
    if (form === undefined) {
      return this.#stringPattern(textTokens(bytesAsText(bytes)));
    }
    if (form === "base64") return this.#stringPattern(textTokens(base64(bytes)), true);
    const offsets = base64Offsets(bytes);
    if (offsets === undefined) {
      throw this.#incompatible("|base64offset needs at least two bytes of text", at);
    }
    const patterns = offsets.map((offset): Pattern => ({
      kind: "string",
      operator: "contains",
      tokens: textTokens(offset),
      cased: true,
    }));
    return { kind: "any", patterns };
  }

  #stringPattern(tokens: readonly StringToken[], cased = this.#modifiers.cased): Pattern {
    return { kind: "string", operator: this.#operator, tokens, cased };
  }

  #incompatible(detail: string, at: number): RuleError {
    return this.#error("incompatible_value", `incompatible value for modifier: ${detail}`, at);
  }

  #error(code: RuleError["code"], message: string, at: number): RuleError {
    return new RuleError(code, message, at, this.#key);
  }
}

/** Inclusive. A leap second counts as minute 59, so 60 is not among them. */
const TIME_RANGES = {
  minute: [0, 59],
  hour: [0, 23],
  day: [1, 31],
  week: [1, 53],
  month: [1, 12],
  year: [0, 9999],
} as const;

/** The decimal text of a number, or of a text that is one. */
function numericText(value: YamlScalar): string | undefined {
  if (value.kind === "integer" || value.kind === "float") return value.text;
  if (value.kind !== "string" || parseStrictNumber(value.text) === undefined) return undefined;
  return value.text;
}
