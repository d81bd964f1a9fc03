/**
 * The `detection` of a rule: its selections and conditions.
 *
 * A problem in one item does not hide those in the next: each is recorded in the document's log,
 * and a document with an error is not loaded.
 *
 * @see sigma-rules.md, sections 8, 14 and 17.1
 */
import { type ArrayPath, parseArrayPath } from "./array_path.ts";
import { ConditionError, parseCondition, placeInText } from "./condition.ts";
import {
  ARRAY_MATCHING_SINCE,
  compileItem,
  compileKeyed,
  compileKeywords,
  type ItemSource,
} from "./item.ts";
import { parseFieldKey, splitKey } from "./modifiers.ts";
import type { Reading } from "./options.ts";
import { RuleError } from "./problems.ts";
import type { ArrayBody, Condition, Detection, Item, Selection } from "./rule.ts";
import { entry, type YamlEntry, type YamlMap, type YamlNode, type YamlScalar } from "./yaml.ts";

export interface DetectionSection {
  readonly selections: readonly Selection[];
  readonly conditions: readonly Condition[];
}

/** Keys of a detection that are no selections. */
const RESERVED = ["condition", "timeframe"];

/**
 * Reads a detection: the mapping under `detection`, `filter`, or an extended array block.
 *
 * @param skip Further keys that are no selections.
 */
export function parseDetectionSection(
  map: YamlMap,
  reading: Reading,
  skip: readonly string[] = [],
): DetectionSection {
  const named = map.entries.filter(({ key, isText }) =>
    !isText || !(RESERVED.includes(key) || skip.includes(key))
  );
  const selections = parseSelections(named, reading, false);
  return { selections, conditions: parseConditions(map, named, reading) };
}

function parseSelections(
  entries: readonly YamlEntry[],
  reading: Reading,
  inArray: boolean,
): readonly Selection[] {
  return entries.flatMap((entry): readonly Selection[] => {
    const detection = reading.log.attempt(() => {
      checkKey(entry, "selection name");
      return parseDetection(entry.value, entry.at, reading, inArray);
    });
    if (detection === undefined) return [];
    return [{ name: entry.key, detection, position: reading.log.position(entry.at) }];
  });
}

function checkKey({ key, isText, at }: YamlEntry, what: string): void {
  if (isText) return;
  const message = `Invalid detection: ${what} '${key}' is no text; put it in quotes`;
  throw new RuleError("invalid_key", message, at);
}

/**
 * What one selection means.
 *
 * @throws {RuleError} For the selection as a whole; problems of its items are only recorded, and
 * the result then lacks them.
 */
function parseDetection(
  node: YamlNode,
  at: number,
  reading: Reading,
  inArray: boolean,
): Detection {
  if (node.kind === "map") return parseMapping(node.entries, at, reading, inArray, "");
  if (node.kind !== "list") return keywords([node], at, reading);
  if (node.items.length === 0) throw emptySelection(at);
  const words = node.items.filter((item) => item.kind !== "map" && item.kind !== "list");
  if (words.length === node.items.length) return keywords(words, at, reading);
  const branches = node.items.flatMap((item) => {
    const branch = reading.log.attempt(() => parseDetection(item, item.at, reading, inArray));
    return branch ?? [];
  });
  return { kind: "any_of", branches };
}

function keywords(words: readonly YamlScalar[], at: number, reading: Reading): Detection {
  return { kind: "keywords", item: compileKeywords(words, at, reading) };
}

function emptySelection(at: number): RuleError {
  const message = "invalid modifier combination: selection must not be empty (vacuous truth); " +
    "give it an item or remove it";
  return new RuleError("empty_selection", message, at);
}

/** The items of a mapping, all of which must hold; each field gets `prefix` in front. */
function parseMapping(
  entries: readonly YamlEntry[],
  at: number,
  reading: Reading,
  inArray: boolean,
  prefix: string,
): Detection {
  if (entries.length === 0) throw emptySelection(at);
  const items: Item[] = [];
  const blocks: Detection[] = [];
  for (const entry of entries) {
    reading.log.attempt(() => {
      checkKey(entry, "field name");
      const source = { key: joinKey(prefix, entry.key), at: entry.at, value: entry.value };
      if (reading.sigmaVersion < ARRAY_MATCHING_SINCE) {
        items.push(compileItem(source, reading, inArray));
      } else {
        addPathItem(source, reading, inArray, items, blocks);
      }
    });
  }
  if (blocks.length === 0) return { kind: "all_of", items };
  if (items.length === 0 && blocks.length === 1) return blocks[0]!;
  const plain: readonly Detection[] = items.length === 0 ? [] : [{ kind: "all_of", items }];
  return { kind: "and", branches: [...plain, ...blocks] };
}

/** `prefix` ends in a dot; the key `.` means what the prefix names, itself. */
function joinKey(prefix: string, key: string): string {
  if (prefix !== "" && /^\.(?:\||$)/.test(key)) return prefix.slice(0, -1) + key.slice(1);
  return prefix + key;
}

/** Adds what one key of a mapping says, brackets in its field understood. */
function addPathItem(
  source: ItemSource,
  reading: Reading,
  inArray: boolean,
  items: Item[],
  blocks: Detection[],
): void {
  const { field, modifiers } = splitKey(source.key);
  const path = parseArrayPath(field, source.at);
  if (path.quantifier !== undefined) {
    blocks.push(arrayBlock(source, path, path.quantifier, modifiers, reading));
    return;
  }
  if (source.value.kind !== "map" || !path.indexed) {
    const key = parseFieldKey(source.key, source.at);
    const named = key.field === undefined ? key : { ...key, field: path.field };
    items.push(compileKeyed(source, named, reading, inArray));
    return;
  }
  refuseModifiers(source, modifiers);
  const { entries } = source.value;
  const inner = parseMapping(entries, source.at, reading, inArray, `${path.field}.`);
  // The entries of an element are ANDed with their neighbours, so they join them.
  if (inner.kind === "all_of") items.push(...inner.items);
  else blocks.push(inner);
}

function refuseModifiers({ key, at }: ItemSource, modifiers: readonly string[]): void {
  if (modifiers.length === 0) return;
  const message = "Invalid detection: value modifiers cannot be applied to an array object-scope " +
    `block ('${key}'); put them on the fields inside`;
  throw new RuleError("invalid_modifiers", message, at, key);
}

function arrayBlock(
  source: ItemSource,
  path: ArrayPath,
  quantifier: NonNullable<ArrayPath["quantifier"]>,
  modifiers: readonly string[],
  reading: Reading,
): Detection {
  const chain = modifiers.map((name) => `|${name}`).join("");
  const { field, rest } = path;
  return { kind: "array", field, quantifier, body: arrayBody(source, rest, chain, reading) };
}

function arrayBody(
  source: ItemSource,
  rest: string,
  chain: string,
  reading: Reading,
): ArrayBody {
  const { value, at } = source;
  if (value.kind !== "map") {
    const inner = [{ key: rest + chain, isText: true, at, value }];
    return { kind: "basic", detection: parseMapping(inner, at, reading, true, "") };
  }
  refuseModifiers(source, chain === "" ? [] : [chain]);
  if (rest !== "") {
    const quantified = parseArrayPath(rest, at).quantifier !== undefined;
    const detection = quantified
      ? parseMapping([{ key: rest, isText: true, at, value }], at, reading, true, "")
      : parseMapping(value.entries, at, reading, true, `${rest}.`);
    return { kind: "basic", detection };
  }
  if (entry(value, "condition") === undefined) {
    return { kind: "basic", detection: parseMapping(value.entries, at, reading, true, "") };
  }
  return extendedBody(value, at, reading);
}

function extendedBody(map: YamlMap, at: number, reading: Reading): ArrayBody {
  const named = map.entries.filter(({ key, isText }) => !isText || key !== "condition");
  if (named.length === 0) {
    const message = "Invalid detection: an array block with a condition needs selections";
    throw new RuleError("invalid_detection", message, at);
  }
  const selections = parseSelections(named, reading, true);
  return { kind: "extended", selections, conditions: parseConditions(map, named, reading) };
}

/** The conditions of a detection; empty if there is none, which is recorded. */
function parseConditions(
  map: YamlMap,
  named: readonly YamlEntry[],
  reading: Reading,
): readonly Condition[] {
  const node = entry(map, "condition")?.value;
  if (node === undefined) {
    const message = "Missing required field 'condition': say which selections must hold";
    reading.log.error("missing_field", message, map.at);
    return [];
  }
  const texts = node.kind === "list" ? node.items : [node];
  if (texts.length === 0) {
    const message = "Invalid detection: the list of conditions is empty, so the rule never fires";
    reading.log.error("invalid_detection", message, node.at);
  }
  const names = named.map(({ key }) => key);
  return texts.flatMap((text): readonly Condition[] => {
    if (text.kind === "string") return parseConditionNode(text, names, reading, false);
    const message = "Invalid detection: condition must be a text or a list of texts";
    reading.log.error("invalid_detection", message, text.at);
    return [];
  });
}

/** Parses a condition where it stands in a file; what is wrong with it is recorded. */
export function parseConditionNode(
  node: Extract<YamlNode, { kind: "string" }>,
  names: readonly string[],
  reading: Reading,
  openNames: boolean,
): readonly Condition[] {
  const { log, limits } = reading;
  const options = {
    maxBytes: limits.conditionBytes,
    maxDepth: limits.conditionDepth,
    openNames,
  };
  try {
    const parsed = parseCondition(node.text, names, options);
    for (const { text, offset } of parsed.unreachable) {
      const message = `'${text}' asks for more selections than there are and never holds`;
      log.warn("selector_never_true", message, offsetInFile(node, offset));
    }
    return [parsed.condition];
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    log.error(error.code, error.message, offsetInFile(node, error.offset));
    return [];
  }
}

/** The place of a part of a text; its beginning where the file writes it differently. */
export function offsetInFile(
  node: Extract<YamlNode, { kind: "string" }>,
  offset: number,
): number {
  if (node.inset === undefined || placeInText(node.text, offset).line > 1) return node.at;
  return node.at + node.inset + offset;
}
