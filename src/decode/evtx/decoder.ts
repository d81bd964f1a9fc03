/**
 * What one thread keeps while it decodes chunks: compiled templates, layouts, and the event it hands
 * out.
 */
import type { Element, Leaf } from "./element.ts";
import {
  BinXmlParser,
  EOF,
  FRAGMENT_HEADER,
  FRAGMENT_HEADER_SIZE,
  TEMPLATE_INSTANCE,
} from "./binxml.ts";
import { u32, u64 } from "./bytes.ts";
import { RecordError } from "./errors.ts";
import { EvtxEvent } from "./event.ts";
import { type Budget, fill, type FragmentReader, MAX_NODES } from "./fill.ts";
import { Layout } from "./layout.ts";
import { NameTable } from "./names.ts";
import { Slots } from "./slots.ts";
import { ABSENT, ABSENT_SOURCE, CONSTANT, SLOT, type Source } from "./source.ts";
import { DEFINITION_HEADER_SIZE, type Template, TemplateCache } from "./templates.ts";
import { ValueReader } from "./values.ts";

/** Fragments within fragments; Windows writes one. */
export const MAX_FRAGMENT_DEPTH = 64;
/** Layouts kept. Real logs have some hundreds; only forged ones make this many. */
const MAX_LAYOUTS = 16384;
/**
 * Nodes of the trees that the records of a chunk may have beside their layouts. A chunk of the CAPI2
 * log, where every record is a tree, needs 30,000.
 */
const MAX_CHUNK_NODES = 4 * MAX_NODES;
/** A substitution named more often goes through the tree with its budget. */
const MAX_REFERENCES = 16;
/** Offset of the BinXML in a record, and size of the copy of the size behind it. */
const RECORD_HEADER_SIZE = 24;
const SIZE_COPY_SIZE = 4;
/** Token, unknown byte, template id, definition offset. */
const INSTANCE_HEADER_SIZE = 10;

/** What was odd but did not cost a record. */
export interface DecoderCounters {
  /** The copy of a record's size behind it is another number. */
  sizeCopyMismatches: number;
  /** Times given as raw text because no date is that. */
  readonly badTimes: number;
}

/** Decodes records; `decodeChunk` drives it. One decoder serves one thread, over any files. */
export class EvtxDecoder {
  readonly counters: DecoderCounters;
  readonly #values = new ValueReader();
  readonly #names = new NameTable(this.#values);
  readonly #parser = new BinXmlParser(this.#values, this.#names);
  readonly #templates = new TemplateCache(this.#values, this.#names, this.#parser);
  readonly #slots = new Slots(this.#values);
  readonly #event = new EvtxEvent(this.#values, this.#slots);
  /** By outer template, then by slot of the fragment and inner template; `null`: has no layout. */
  readonly #layouts: (Map<number, Layout | null> | undefined)[] = [];
  #layoutCount = 0;
  #nextLayoutId = 0;
  #chunkOffset = 0;
  #chunkNodes = MAX_CHUNK_NODES;
  /** The template of the instance read last. */
  #template: Template | undefined;
  #isForeign = false;

  constructor() {
    const values = this.#values;
    this.counters = {
      sizeCopyMismatches: 0,
      get badTimes() {
        return values.badTimes;
      },
    };
  }

  /** Makes `chunk` the one that offsets refer to. */
  begin(chunk: Uint8Array, chunkOffset: number): void {
    this.#values.use(chunk);
    this.#names.clear();
    this.#templates.clear();
    this.#chunkOffset = chunkOffset;
    this.#chunkNodes = MAX_CHUNK_NODES;
  }

  /**
   * Decodes the record at `at` of the current chunk, as far as to know where its values are.
   *
   * @returns The event, valid until the next call; `undefined` if the record was only half written.
   * @throws {RecordError} if the record is damaged.
   */
  decode(at: number, size: number, recovered: boolean): EvtxEvent | undefined {
    this.#isForeign = false;
    const end = at + size - SIZE_COPY_SIZE;
    const layout = this.#layoutOf(at + RECORD_HEADER_SIZE, end);
    if (layout === undefined || this.#isPartial(layout, at)) return undefined;
    this.#event.load(layout, at, size, this.#chunkOffset, recovered || this.#isForeign);
    return this.#event;
  }

  #layoutOf(from: number, end: number): Layout | undefined {
    const slots = this.#slots;
    slots.clear();
    const at = this.#skipHeader(from, end);
    if (this.#tokenAt(at, end) !== TEMPLATE_INSTANCE) return this.#treeLayout(from, end);
    this.#loadInstance(slots, at, end);
    const outer = this.#template!;
    if (outer.root === undefined) return undefined;
    if (slots.fragmentCount === 0) {
      return this.#sharedLayout(outer, -1, undefined) ?? this.#treeLayout(from, end);
    }
    if (slots.fragmentCount > 1) return this.#treeLayout(from, end);
    const { fragment } = slots;
    const valueAt = slots.offsetOf(fragment);
    const valueEnd = valueAt + slots.sizeOf(fragment);
    const innerAt = this.#skipHeader(valueAt, valueEnd);
    if (this.#tokenAt(innerAt, valueEnd) !== TEMPLATE_INSTANCE) {
      return this.#treeLayout(from, end);
    }
    this.#loadInstance(slots, innerAt, valueEnd);
    if (slots.fragmentCount > 0) return this.#treeLayout(from, end);
    return this.#sharedLayout(outer, fragment, this.#template!) ?? this.#treeLayout(from, end);
  }

  /** Reads an instance's header and descriptors; sets `#template`. */
  #loadInstance(slots: Slots, at: number, end: number): number {
    const bytes = this.#values.bytes;
    const headerEnd = at + INSTANCE_HEADER_SIZE;
    if (headerEnd + 4 > end) throw new RecordError("token", "template instance is cut off", at);
    const definitionAt = u32(bytes, at + 6);
    let countAt = headerEnd;
    if (definitionAt === headerEnd) {
      if (headerEnd + DEFINITION_HEADER_SIZE > end) {
        throw new RecordError("template", "template definition is cut off", at);
      }
      countAt += DEFINITION_HEADER_SIZE + u32(bytes, headerEnd + 20);
    }
    const valuesEnd = slots.load(countAt, end);
    try {
      this.#template = this.#templates.at(definitionAt);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      // The definition was overwritten; another chunk may have had it.
      const count = u32(bytes, countAt);
      const known = this.#templates.byPrefix(u32(bytes, at + 2), count);
      if (known === undefined) throw error;
      this.#template = known;
      this.#isForeign = true;
    }
    return valuesEnd;
  }

  /** The layout of all records with these templates; `undefined` if they cannot share one. */
  #sharedLayout(
    outer: Template,
    fragment: number,
    inner: Template | undefined,
  ): Layout | undefined {
    const byInner = this.#layouts[outer.id] ??= new Map();
    const key = inner === undefined ? -1 : inner.id * 65536 + fragment;
    let layout = byInner.get(key);
    if (layout === undefined) {
      if (this.#layoutCount >= MAX_LAYOUTS) {
        this.#layouts.length = 0;
        this.#layoutCount = 0;
      }
      layout = this.#joinLayout(outer, fragment, inner) ?? null;
      (this.#layouts[outer.id] ??= new Map()).set(key, layout);
      this.#layoutCount++;
    }
    if (layout === null) return undefined;
    const { arrayBytes } = this.#slots;
    if (arrayBytes === 0) return layout;
    // An array repeats the elements it stands in, at most once for each of its bytes.
    const expanded = arrayBytes * layout.repeatedNodes;
    if (layout.nodeCount + expanded > Math.min(MAX_NODES, this.#chunkNodes)) return undefined;
    this.#chunkNodes -= expanded;
    return layout;
  }

  #joinLayout(
    outer: Template,
    fragment: number,
    inner: Template | undefined,
  ): Layout | undefined {
    if (outer.maxReferences > MAX_REFERENCES) return undefined;
    if (inner !== undefined && inner.maxReferences > MAX_REFERENCES) return undefined;
    const root = joinTrees(outer.root!, fragment, inner?.root);
    if (root === undefined) return undefined;
    const layout = new Layout(this.#nextLayoutId, root);
    if (layout.isOpen) return undefined;
    this.#nextLayoutId++;
    return layout;
  }

  /** A layout for this record alone, with all its values in the tree. */
  #treeLayout(from: number, end: number): Layout | undefined {
    this.#slots.clear();
    const allowed = Math.min(MAX_NODES, this.#chunkNodes);
    const budget = { nodes: allowed };
    try {
      const root = this.#readFragment(from, end, budget, 0, 0);
      return root === undefined ? undefined : new Layout(-1, root);
    } finally {
      this.#chunkNodes -= allowed - Math.max(0, budget.nodes);
    }
  }

  /**
   * The filled-in root of a fragment, `undefined` if it has none.
   *
   * @param nesting how many fragments are around it, and `depth` how many elements.
   */
  #readFragment(
    from: number,
    end: number,
    budget: Budget,
    nesting: number,
    depth: number,
  ): Element | undefined {
    if (nesting >= MAX_FRAGMENT_DEPTH) {
      const message = `fragments are nested more than ${MAX_FRAGMENT_DEPTH} deep`;
      throw new RecordError("depth", message, from);
    }
    const at = this.#skipHeader(from, end);
    const token = this.#tokenAt(at, end);
    if (token === EOF) return undefined;
    if (token !== TEMPLATE_INSTANCE) {
      const root = this.#parser.tree(at, end);
      const none = new Slots(this.#values, 0);
      return root === undefined ? undefined : fill(root, none, budget, () => undefined, depth);
    }
    const slots = new Slots(this.#values, (end - at) >> 2);
    this.#loadInstance(slots, at, end);
    const { root } = this.#template!;
    if (root === undefined) return undefined;
    const readInner: FragmentReader = (own, slot, inside) => {
      const valueAt = own.offsetOf(slot);
      return this.#readFragment(valueAt, valueAt + own.sizeOf(slot), budget, nesting + 1, inside);
    };
    return fill(root, slots, budget, readInner, depth);
  }

  /** Whether the record's values were never written, though its header and descriptors were. */
  #isPartial(layout: Layout, at: number): boolean {
    if (layout.root.children.length === 0) return true;
    if (layout.recordId.kind === ABSENT || this.#isSet(layout.recordId)) return false;
    return u64(this.#values.bytes, at + 8) !== 0 && !this.#isSet(layout.channel);
  }

  /** Whether a source has a value other than zero and the empty text. */
  #isSet(source: Source): boolean {
    if (source.kind === SLOT) {
      const value = this.#slots.valueOf(this.#slots.slot(source.level, source.index));
      return value !== undefined && value !== 0;
    }
    if (source.kind !== CONSTANT) return source !== ABSENT_SOURCE;
    return source.value !== undefined && source.value !== null && source.value !== "";
  }

  /** Fragments begin with a header; those that are values sometimes do not. */
  #skipHeader(at: number, end: number): number {
    const isHeader = at + FRAGMENT_HEADER_SIZE <= end && this.#values.bytes[at] === FRAGMENT_HEADER;
    return isHeader ? at + FRAGMENT_HEADER_SIZE : at;
  }

  /** The token at `at`; a stream that ends without one has ended. */
  #tokenAt(at: number, end: number): number {
    return at < end ? this.#values.bytes[at]! : EOF;
  }
}

/**
 * The outer tree with the inner one in the place of its fragment's slot; `undefined` if that slot
 * stands there more than once or in an attribute.
 */
function joinTrees(outer: Element, fragment: number, inner: Element | undefined) {
  let uses = 0;
  let isAttribute = false;
  const nested = inner === undefined ? undefined : raise(inner);
  const join = (element: Element): Element => ({
    kind: "element",
    name: element.name,
    attributes: element.attributes.map((attribute) => {
      if (attribute.content.some((leaf) => leaf.kind === "slot" && leaf.index === fragment)) {
        isAttribute = true;
      }
      return attribute;
    }),
    children: element.children.flatMap((child): (Element | Leaf)[] => {
      if (child.kind === "element") return [join(child)];
      if (child.kind !== "slot" || child.index !== fragment) return [child];
      uses++;
      return nested === undefined ? [] : [nested];
    }),
  });
  const root = join(outer);
  return uses > 1 || isAttribute ? undefined : root;
}

/** The same tree with its slots at level 1. */
function raise(element: Element): Element {
  return {
    kind: "element",
    name: element.name,
    attributes: element.attributes.map(({ name, content }) => ({
      name,
      content: content.map((leaf) => leaf.kind === "slot" ? { ...leaf, level: 1 } : leaf),
    })),
    children: element.children.map((child) => {
      if (child.kind === "element") return raise(child);
      return child.kind === "slot" ? { ...child, level: 1 } : child;
    }),
  };
}
