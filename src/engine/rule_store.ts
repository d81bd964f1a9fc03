/**
 * Checked rules as bytes, of which a rule's detection is only unpacked when it is needed.
 *
 * Of thousands of rules a scan wakes some dozens. So a rule is kept in three pieces of JSON: a head
 * with what results and routing ask for, parsed at once; what the index asks for when an event of the
 * rule's logsource is met; and a body with everything else. Bodies stay packed, some dozens together.
 * Threads of a scan share the bytes.
 *
 * ```text
 * {"heads":123,"packs":[456,…]}\n        lengths of the gzip members that follow
 * <heads>                                {"rules":N,"correlations":[…],"filters":[…]}\n, and for each
 *                                        rule <head>\n<index>\n
 * <pack 0> <pack 1> …                    <body>\n of RULES_PER_PACK rules each
 * ```
 */
import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
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

/** Rules of one directory mostly need each other's packs; 16 bodies unpack to some 50 KB. */
const RULES_PER_PACK = 16;
/** Public rule sets have heads of 4 MB; this keeps a hostile store from exploding. */
const MAX_HEADS_BYTES = 256 << 20;
const MAX_PACK_BYTES = 64 << 20;
const MAX_FIRST_LINE_BYTES = 1 << 20;

/** A stored rule's place, so that it can be stored again as it is. */
interface Place {
  readonly store: PackedRules;
  readonly number: number;
  readonly head: Buffer;
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

/**
 * Stores rules. Those that come from a store are copied, not parsed.
 *
 * @param level Of gzip: 9 for what is kept, 1 for what is used at once.
 */
export function encodeRules(content: StoreContent, level: 1 | 9): Uint8Array {
  const { rules, correlations, filters } = content;
  const heads: (string | Buffer)[] = [jsonText({ rules: rules.length, correlations, filters })];
  const bodies: (string | Buffer)[] = [];
  let popularity: Popularity | undefined;
  for (const rule of rules) {
    const place = places.get(rule);
    if (place !== undefined) {
      heads.push(place.head, place.index);
      bodies.push(place.store.body(place.number));
      continue;
    }
    popularity ??= countWitnesses(rules.filter((one) => !places.has(one)));
    const eventIds = necessaryEventIds(rule);
    heads.push(
      jsonText({
        ...pick(rule, HEAD_KEYS),
        eventIds: eventIds === undefined ? null : [...eventIds],
      }),
      jsonText(storedWitnesses(ruleWitnesses(rule, popularity))),
    );
    bodies.push(jsonText(pick(rule, BODY_KEYS)));
  }
  const packedHeads = packLines(heads, level);
  const packs: Uint8Array[] = [];
  for (let at = 0; at < bodies.length; at += RULES_PER_PACK) {
    packs.push(packLines(bodies.slice(at, at + RULES_PER_PACK), level));
  }
  const lengths = { heads: packedHeads.length, packs: packs.map(({ length }) => length) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(lengths)}\n`), packedHeads, ...packs]);
}

function packLines(lines: readonly (string | Buffer)[], level: 1 | 9): Uint8Array {
  const newLine = Buffer.from([NEW_LINE]);
  const pieces = lines.flatMap((line) => [
    typeof line === "string" ? Buffer.from(line) : line,
    newLine,
  ]);
  return gzipSync(Buffer.concat(pieces), { level });
}

/** Rules in memory that all threads see; `picks` are the numbers of those that are meant. */
export interface SharedRules {
  readonly bytes: Uint8Array;
  readonly picks: Uint32Array | undefined;
}

/** Makes rules available to other threads. Rules of one store are not stored again. */
export function shareRules(rules: readonly DetectionRule[]): SharedRules {
  const own = rules.map((rule) => places.get(rule));
  const store = own[0]?.store;
  const together = store !== undefined && own.every((place) => place?.store === store);
  const bytes = together ? store.bytes : encodeRules({ rules, correlations: [], filters: [] }, 1);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const picks = together ? Uint32Array.from(own, (place) => place!.number) : undefined;
  return { bytes: shared, picks };
}

/** The rules that another thread has shared. */
export function sharedRules({ bytes, picks }: SharedRules): readonly DetectionRule[] {
  const { rules } = decodeRules(bytes);
  return picks === undefined ? rules : Array.from(picks, (number) => rules[number]!);
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
 * @param bytes Must not change afterwards: bodies are unpacked when they are asked for. May be a view
 *   of shared memory.
 * @throws {StoreFormatError} if it is not what `encodeRules` writes.
 */
export function decodeRules(bytes: Uint8Array): StoreContent {
  const end = bytes.subarray(0, MAX_FIRST_LINE_BYTES).indexOf(NEW_LINE);
  if (end < 0) throw new StoreFormatError("the first line is missing");
  const lengths = parse(Buffer.from(bytes.subarray(0, end))) as {
    readonly heads: number;
    readonly packs: readonly number[];
  };
  const headsAt = end + 1;
  const store = new PackedRules(bytes, headsAt + lengths.heads, lengths.packs);
  const heads = new LineReader(unpack(bytes, headsAt, lengths.heads, MAX_HEADS_BYTES));
  const first = parse(heads.next()) as {
    readonly rules: number;
    readonly correlations: readonly CorrelationRule[];
    readonly filters: readonly FilterRule[];
  };
  const rules: DetectionRule[] = [];
  for (let number = 0; number < first.rules; number++) {
    const head = heads.next();
    rules.push(storedRule(store, number, head, heads.next()));
  }
  return { rules, correlations: first.correlations, filters: first.filters };
}

function unpack(bytes: Uint8Array, from: number, length: number, limit: number): Buffer {
  if (from + length > bytes.length) throw new StoreFormatError("a part is cut off");
  // A copy, since inflating does not take views of shared memory.
  const packed = new Uint8Array(bytes.subarray(from, from + length));
  return gunzipSync(packed, { maxOutputLength: limit });
}

class LineReader {
  readonly #bytes: Buffer;
  #from = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): Buffer {
    const end = this.#bytes.indexOf(NEW_LINE, this.#from);
    if (end < 0) throw new StoreFormatError("a line is missing");
    const line = this.#bytes.subarray(this.#from, end);
    this.#from = end + 1;
    return line;
  }
}

/** The bodies of a store, unpacked on demand. */
class PackedRules {
  readonly bytes: Uint8Array;
  readonly #starts: readonly number[];
  readonly #lengths: readonly number[];
  /** The lines of packs that have been used; all of SigmaHQ's are 9 MB. */
  readonly #unpacked = new Map<number, readonly Buffer[]>();

  constructor(bytes: Uint8Array, from: number, lengths: readonly number[]) {
    this.bytes = bytes;
    this.#lengths = lengths;
    let at = from;
    this.#starts = lengths.map((length) => (at += length) - length);
  }

  /** The body of a rule. */
  body(number: number): Buffer {
    const pack = Math.floor(number / RULES_PER_PACK);
    let lines = this.#unpacked.get(pack);
    if (lines === undefined) this.#unpacked.set(pack, lines = this.#unpack(pack));
    const line = lines[number % RULES_PER_PACK];
    if (line === undefined) throw new StoreFormatError("a rule is missing");
    return line;
  }

  #unpack(pack: number): readonly Buffer[] {
    const length = this.#lengths[pack];
    if (length === undefined) throw new StoreFormatError("a pack is missing");
    const bytes = unpack(this.bytes, this.#starts[pack]!, length, MAX_PACK_BYTES);
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = bytes.indexOf(NEW_LINE); end >= 0; end = bytes.indexOf(NEW_LINE, from)) {
      lines.push(bytes.subarray(from, end));
      from = end + 1;
    }
    return lines;
  }
}

/** An integer that `JSON.parse` would round, as the value of a custom attribute. */
const BIG_NUMBER = /":-?\d{16}/;

function parse(line: Buffer): unknown {
  const text = line.toString("utf8");
  return BIG_NUMBER.test(text) ? parseJsonText(text) : JSON.parse(text);
}

/** The body of a stored rule, packed until it is asked for. Shared by copies with other filters. */
interface LazyBody {
  readonly store: PackedRules;
  readonly number: number;
  value: Body | undefined;
}

const BODY = Symbol("body");

/** What stored rules inherit: a getter for each member of the body. */
const storedRulePrototype: object = Object.defineProperties(
  {},
  Object.fromEntries(BODY_KEYS.map((key) => [key, {
    get(this: { readonly [BODY]: LazyBody }) {
      const body = this[BODY];
      body.value ??= parse(body.store.body(body.number)) as Body;
      return body.value[key];
    },
  }])),
);

function storedRule(
  store: PackedRules,
  number: number,
  head: Buffer,
  index: Buffer,
): DetectionRule {
  const { eventIds, ...members } = parse(head) as Head & { readonly eventIds: StoredEventIds };
  const lazy: LazyBody = { store, number, value: undefined };
  const rule = Object.assign(Object.create(storedRulePrototype), members) as DetectionRule;
  Object.defineProperty(rule, BODY, { value: lazy });
  places.set(rule, { store, number, head, index, eventIds });
  return rule;
}
