/**
 * Template definitions, compiled once.
 *
 * A definition stands in every chunk that uses it, with other offsets and with its names inline or
 * not. So there are three steps from an offset to a `Template`: the chunk's table of offsets already
 * met; copies seen in earlier chunks, compared byte by byte but for the offsets; and parsing, after
 * which equal trees become one `Template` again, so that tables made for it serve the whole run.
 */
import { i32, u32 } from "./bytes.ts";
import type { BinXmlParser, NameReference } from "./binxml.ts";
import type { Element } from "./element.ts";
import { RecordError } from "./errors.ts";
import { CHUNK_SIZE } from "./file_header.ts";
import type { NameTable } from "./names.ts";
import type { ValueReader } from "./values.ts";

/** Next offset, GUID and size, in front of a definition's body. */
export const DEFINITION_HEADER_SIZE = 24;
/**
 * Copies kept of definitions with one GUID and size. Names stand inline or not, so real ones have a
 * handful; each is compared with, so there must be a bound.
 */
const MAX_ALIKE = 32;
/**
 * Bytes of definitions compiled for one chunk. A sound chunk holds each definition once, so it never
 * reaches twice its own size; overlapping definitions in a forged one could cost a thousand times it.
 */
const MAX_CHUNK_DEFINITIONS = 4 * CHUNK_SIZE;
/** Bytes of copies kept across chunks. Real logs have a few hundred definitions of 1 KiB or so. */
const MAX_KEPT_BYTES = 16 << 20;

/** A compiled definition; equal ones are the same object. */
export interface Template {
  /** Dense, from 0, within one cache. */
  readonly id: number;
  /** `undefined` if the definition has no element. */
  readonly root: Element | undefined;
  /** One more than the highest substitution it names. */
  readonly slotCount: number;
  /** How often the substitution it names most stands in it. */
  readonly maxReferences: number;
}

/** One copy of a definition as it stood in a chunk. */
interface Copy {
  readonly template: Template;
  readonly bytes: Uint8Array;
  /** Pairs of start and end of what must be equal, relative to the definition. */
  readonly fixed: readonly number[];
  readonly references: readonly NameReference[];
}

export class TemplateCache {
  readonly #values: ValueReader;
  readonly #names: NameTable;
  readonly #parser: BinXmlParser;
  readonly #byOffset: (Template | undefined)[] = new Array(CHUNK_SIZE).fill(undefined);
  readonly #known: number[] = [];
  readonly #copies = new Map<number, Copy[]>();
  readonly #byContent = new Map<string, Template>();
  /** By the first dword of their GUID, which is all that an instance tells. */
  readonly #byPrefix = new Map<number, Set<Template>>();
  #nextId = 0;
  #keptBytes = 0;
  #chunkBytes = 0;

  constructor(values: ValueReader, names: NameTable, parser: BinXmlParser) {
    this.#values = values;
    this.#names = names;
    this.#parser = parser;
  }

  /** Forgets the offsets of the chunk before; what was compiled stays. */
  clear(): void {
    for (const offset of this.#known) this.#byOffset[offset] = undefined;
    this.#known.length = 0;
    this.#chunkBytes = 0;
  }

  /**
   * The template whose definition is at `offset` of the chunk.
   *
   * @throws {RecordError} if it lies outside of the chunk or is malformed.
   */
  at(offset: number): Template {
    return this.#byOffset[offset] ?? this.#load(offset);
  }

  /** The one template ever met with this id and this number of substitutions. */
  byPrefix(prefix: number, slotCount: number): Template | undefined {
    const fitting = [...this.#byPrefix.get(prefix) ?? []].filter(
      (template) => template.slotCount <= slotCount,
    );
    return fitting.length === 1 ? fitting[0] : undefined;
  }

  #load(offset: number): Template {
    const bytes = this.#values.bytes;
    const bodyAt = offset + DEFINITION_HEADER_SIZE;
    if (bodyAt > bytes.length) throw outside(offset);
    const size = u32(bytes, offset + 20);
    // Zeroed space; an empty definition would be taken for a record that was never finished.
    if (size === 0) throw outside(offset);
    const end = bodyAt + size;
    if (end > bytes.length) throw outside(offset);
    this.#chunkBytes += size;
    if (this.#chunkBytes > MAX_CHUNK_DEFINITIONS) {
      throw new RecordError("template", "template definitions overlap", offset);
    }
    // The GUID's first half and the size tell nearly all definitions apart; the rest is compared.
    const key = (i32(bytes, offset + 4) ^ Math.imul(i32(bytes, offset + 8), 31)) + size | 0;
    const template = this.#findCopy(key, offset, end) ?? this.#compile(key, offset, end);
    this.#byOffset[offset] = template;
    this.#known.push(offset);
    return template;
  }

  #findCopy(key: number, offset: number, end: number): Template | undefined {
    for (const copy of this.#copies.get(key) ?? []) {
      if (copy.bytes.length === end - offset && this.#isCopy(copy, offset)) return copy.template;
    }
    return undefined;
  }

  #isCopy(copy: Copy, offset: number): boolean {
    const bytes = this.#values.bytes;
    const { fixed, bytes: expected } = copy;
    for (let i = 0; i < fixed.length; i += 2) {
      const end = fixed[i + 1]!;
      for (let at = fixed[i]!; at < end; at++) {
        if (bytes[offset + at] !== expected[at]) return false;
      }
    }
    for (const { at, inline, name } of copy.references) {
      const target = u32(bytes, offset + at);
      // Inline characters were compared with the rest; a reference elsewhere has to be followed.
      if (inline !== (target === offset + at + 4)) return false;
      if (!inline && this.#names.at(target) !== name) return false;
    }
    return true;
  }

  #compile(key: number, offset: number, end: number): Template {
    const bytes = this.#values.bytes;
    const references: NameReference[] = [];
    const root = this.#parser.definition(offset + DEFINITION_HEADER_SIZE, end, references);
    if (this.#keptBytes > MAX_KEPT_BYTES) this.#forget();
    const guid = bytes.subarray(offset + 4, offset + 20).join();
    const content = `${guid} ${JSON.stringify(root, replaceBigint)}`;
    let template = this.#byContent.get(content);
    if (template === undefined) {
      template = { id: this.#nextId++, root, ...countSlots(root) };
      this.#byContent.set(content, template);
      this.#keptBytes += content.length * 2;
      this.#remember(u32(bytes, offset + 4), template);
    }
    const copy: Copy = {
      template,
      bytes: bytes.slice(offset, end),
      fixed: fixedRanges(references, offset, end),
      references: references.map((reference) => ({ ...reference, at: reference.at - offset })),
    };
    const copies = this.#copies.get(key) ?? [];
    if (copies.length >= MAX_ALIKE) copies.shift();
    copies.push(copy);
    this.#copies.set(key, copies);
    this.#keptBytes += copy.bytes.length + references.length * 64;
    return template;
  }

  #remember(prefix: number, template: Template): void {
    const templates = this.#byPrefix.get(prefix);
    if (templates === undefined) this.#byPrefix.set(prefix, new Set([template]));
    else templates.add(template);
  }

  /** Only forged files get here; ids go on, so that tables made for forgotten templates never lie. */
  #forget(): void {
    this.#copies.clear();
    this.#byContent.clear();
    this.#byPrefix.clear();
    this.#keptBytes = 0;
  }
}

/** The definition's bytes that do not depend on where it stands, as pairs of start and end. */
function fixedRanges(references: readonly NameReference[], offset: number, end: number): number[] {
  // The first dword points to another definition.
  const ranges = [4];
  for (const { at, inline } of references) {
    // Behind an inline reference stands the pointer to the next name of its hash bucket.
    ranges.push(at - offset, at - offset + (inline ? 8 : 4));
  }
  ranges.push(end - offset);
  return ranges;
}

function countSlots(root: Element | undefined): { slotCount: number; maxReferences: number } {
  const references = new Map<number, number>();
  const count = (element: Element): void => {
    for (const leaf of element.attributes.flatMap(({ content }) => content)) {
      if (leaf.kind === "slot") references.set(leaf.index, (references.get(leaf.index) ?? 0) + 1);
    }
    for (const child of element.children) {
      if (child.kind === "element") count(child);
      else if (child.kind === "slot") {
        references.set(child.index, (references.get(child.index) ?? 0) + 1);
      }
    }
  };
  if (root !== undefined) count(root);
  return {
    slotCount: Math.max(-1, ...references.keys()) + 1,
    maxReferences: Math.max(0, ...references.values()),
  };
}

function replaceBigint(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

function outside(offset: number): RecordError {
  return new RecordError(
    "template",
    `template definition at ${offset} is not in the chunk`,
    offset,
  );
}
