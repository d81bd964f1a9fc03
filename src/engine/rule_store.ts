/**
 * Checked rules as bytes, of which a rule's detection is only parsed when it is needed.
 *
 * Of thousands of rules a scan wakes some dozens. So a rule is kept in three pieces of JSON: a head
 * with what results and routing ask for, parsed at once, what the index asks for when an event of
 * the rule's logsource is met, and a body with everything else. The bytes may stand in shared memory,
 * so that all threads of a scan use one copy.
 *
 * ```text
 * {"rules":2,"correlations":[…],"filters":[…]}\n
 * <head of rule 0>\n<index of rule 0>\n<body of rule 0>\n<head of rule 1>\n…
 * ```
 */
import { Buffer } from "node:buffer";
import { jsonText, parseJsonText } from "../event/json_text.ts";
import type { ParsedFile } from "../sigma/parse.ts";
import type { CorrelationRule, DetectionRule, FilterRule } from "../sigma/rule.ts";
import { necessaryEventIds } from "./event_ids.ts";
import { countWitnesses, type Popularity, ruleWitnesses, type WitnessSet } from "./witness.ts";

/** Rules as parsed, before filters are bound. */
export type StoreContent = Pick<ParsedFile, "rules" | "correlations" | "filters">;

/** What the index asks for; worked out when rules are stored. */
export interface RuleIndexFacts {
  /** Parsed at each call. */
  witnesses(): WitnessSet;
  readonly eventIds: ReadonlySet<number> | undefined;
}

/** Bytes of stored rules that cannot be read. */
export class StoreFormatError extends Error {
  override readonly name = "StoreFormatError";
}

const HEAD_KEYS = [
  "kind",
  "title",
  "id",
  "name",
  "level",
  "status",
  "tags",
  "logsource",
  "customAttributes",
] as const satisfies readonly (keyof DetectionRule)[];
const BODY_KEYS = [
  "taxonomy",
  "description",
  "license",
  "author",
  "date",
  "modified",
  "related",
  "references",
  "fields",
  "falsepositives",
  "scope",
  "sigmaVersion",
  "origin",
  "selections",
  "conditions",
  "filters",
] as const satisfies readonly (keyof DetectionRule)[];
type Head = Pick<DetectionRule, typeof HEAD_KEYS[number]>;
type Body = Pick<DetectionRule, typeof BODY_KEYS[number]>;

/** How the witnesses stand in a store: short, since there are thousands. */
type StoredWitnesses = readonly (readonly [kind: number, text: string, field?: string])[] | null;
/** `null` if the rule can match any event id. */
type StoredEventIds = readonly number[] | null;

const WITNESS_KINDS = [
  "equals",
  "startswith",
  "endswith",
  "contains",
  "number",
  "present",
] as const;
const NEW_LINE = 10;

/** Where a stored rule's pieces are, so that it can be stored again as it is. */
interface Place {
  /** All three lines. */
  readonly bytes: Uint8Array;
  readonly index: Buffer;
  readonly eventIds: StoredEventIds;
}

const places = new WeakMap<DetectionRule, Place>();

/** The facts that a rule was stored with; `undefined` for a rule that does not come from a store. */
export function storedFacts(rule: DetectionRule): RuleIndexFacts | undefined {
  const place = places.get(rule);
  if (place === undefined) return undefined;
  const { eventIds, index } = place;
  return {
    witnesses: () =>
      (JSON.parse(index.toString("utf8")) as StoredWitnesses)?.map(([kind, text, field]) => ({
        kind: WITNESS_KINDS[kind]!,
        text,
        field,
      })),
    eventIds: eventIds === null ? undefined : new Set(eventIds),
  };
}

/** A rule with nothing left to be parsed, as the front end gives it. */
export function plainRule(rule: DetectionRule): DetectionRule {
  if (!places.has(rule)) return rule;
  const entries = [...HEAD_KEYS, ...BODY_KEYS].map((key) => [key, rule[key]] as const);
  return Object.fromEntries(
    entries.filter(([, value]) => value !== undefined),
  ) as unknown as DetectionRule;
}

/** Stores rules. Rules that come from a store are copied, not parsed. */
export function encodeRules(content: StoreContent): Uint8Array {
  const { rules, correlations, filters } = content;
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [
    encoder.encode(`${jsonText({ rules: rules.length, correlations, filters })}\n`),
  ];
  let popularity: Popularity | undefined;
  for (const rule of rules) {
    const place = places.get(rule);
    if (place !== undefined) {
      pieces.push(place.bytes);
      continue;
    }
    popularity ??= countWitnesses(rules.filter((one) => !places.has(one)));
    const eventIds = necessaryEventIds(rule);
    const lines = [
      { ...pick(rule, HEAD_KEYS), eventIds: eventIds === undefined ? null : [...eventIds] },
      storedWitnesses(ruleWitnesses(rule, popularity)),
      pick(rule, BODY_KEYS),
    ];
    pieces.push(encoder.encode(lines.map((line) => `${jsonText(line)}\n`).join("")));
  }
  return Buffer.concat(pieces);
}

function storedWitnesses(witnesses: WitnessSet): StoredWitnesses {
  return witnesses?.map(({ kind, text, field }) => {
    const number = WITNESS_KINDS.indexOf(kind);
    return field === undefined ? [number, text] as const : [number, text, field] as const;
  }) ?? null;
}

function pick<K extends keyof DetectionRule>(rule: DetectionRule, keys: readonly K[]) {
  return Object.fromEntries(keys.map((key) => [key, rule[key]]));
}

/**
 * Reads stored rules.
 *
 * @param bytes Must not change afterwards: bodies are parsed when they are asked for. May be a view of
 *   shared memory.
 * @throws {StoreFormatError} if it is not what `encodeRules` writes.
 */
export function decodeRules(bytes: Uint8Array): StoreContent {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let from = 0;
  const nextLine = (): Buffer => {
    const end = buffer.indexOf(NEW_LINE, from);
    if (end < 0) throw new StoreFormatError("a line is missing");
    const line = buffer.subarray(from, end);
    from = end + 1;
    return line;
  };
  const first = parse(nextLine()) as {
    readonly rules: number;
    readonly correlations: readonly CorrelationRule[];
    readonly filters: readonly FilterRule[];
  };
  const rules: DetectionRule[] = [];
  for (let number = 0; number < first.rules; number++) {
    const start = from;
    const head = nextLine();
    const index = nextLine();
    const body = nextLine();
    rules.push(storedRule(head, index, body, buffer.subarray(start, from)));
  }
  return { rules, correlations: first.correlations, filters: first.filters };
}

/** An integer that `JSON.parse` would round, as the value of a custom attribute. */
const BIG_NUMBER = /":-?\d{16}/;

function parse(line: Buffer): unknown {
  const text = line.toString("utf8");
  return BIG_NUMBER.test(text) ? parseJsonText(text) : JSON.parse(text);
}

/** The body of a stored rule: bytes until it is asked for. Shared by copies with other filters. */
interface LazyBody {
  bytes: Buffer | undefined;
  value: Body | undefined;
}

const BODY = Symbol("body");

/** What stored rules inherit: a getter for each member of the body. */
const storedRulePrototype: object = Object.defineProperties(
  {},
  Object.fromEntries(BODY_KEYS.map((key) => [key, {
    get(this: { readonly [BODY]: LazyBody }) {
      const body = this[BODY];
      if (body.value === undefined) {
        body.value = parse(body.bytes!) as Body;
        body.bytes = undefined;
      }
      return body.value[key];
    },
  }])),
);

function storedRule(head: Buffer, index: Buffer, body: Buffer, bytes: Buffer): DetectionRule {
  const { eventIds, ...members } = parse(head) as Head & { readonly eventIds: StoredEventIds };
  const lazy: LazyBody = { bytes: body, value: undefined };
  const rule = Object.assign(Object.create(storedRulePrototype), members) as DetectionRule;
  Object.defineProperty(rule, BODY, { value: lazy });
  places.set(rule, { bytes, index, eventIds });
  return rule;
}
