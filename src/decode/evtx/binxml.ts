/**
 * The BinXML token stream to an element tree.
 *
 * @see MS-EVEN6, section 2.2.12
 */
import type { Attribute, Element, Leaf } from "./element.ts";
import { u16, u32 } from "./bytes.ts";
import { RecordError } from "./errors.ts";
import { NAME_OVERHEAD, type NameTable } from "./names.ts";
import { BINXML, SID, SIZE_T, STRING, widthOf } from "./value_type.ts";
import type { ValueReader } from "./values.ts";

/** Deeper trees are refused; the walkers behind this recurse, and a chunk has room for thousands. */
export const MAX_ELEMENT_DEPTH = 512;
/** `0F 01 01 00`. */
export const FRAGMENT_HEADER_SIZE = 4;

/** Low six bits of a token byte; bit 6 says that more of the same follows. */
const KIND = 0x3f;
const HAS_MORE = 0x40;
export const EOF = 0x00;
const OPEN_ELEMENT = 0x01;
const CLOSE_START = 0x02;
const CLOSE_EMPTY = 0x03;
const END_ELEMENT = 0x04;
const VALUE_TEXT = 0x05;
const ATTRIBUTE = 0x06;
const CDATA = 0x07;
const CHAR_REF = 0x08;
const ENTITY_REF = 0x09;
const PI_TARGET = 0x0a;
const PI_DATA = 0x0b;
export const TEMPLATE_INSTANCE = 0x0c;
const NORMAL_SUBSTITUTION = 0x0d;
const OPTIONAL_SUBSTITUTION = 0x0e;
export const FRAGMENT_HEADER = 0x0f;
/** Only these tokens exist with the "more" bit: 41, 45, 46, 47, 48, 49. */
const MORE_ALLOWED = 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9;

const ENTITIES: Readonly<Record<string, string>> = {
  quot: '"',
  amp: "&",
  lt: "<",
  gt: ">",
  apos: "'",
};

interface OpenElement {
  readonly kind: "element";
  readonly name: string;
  readonly attributes: Attribute[];
  readonly children: (Element | Leaf)[];
}

/** Where a definition refers to names, so that the next chunk's copy can be compared with it. */
export interface NameReference {
  /** Chunk-relative position of the u32. */
  readonly at: number;
  readonly inline: boolean;
  readonly name: string;
}

/** Parses element streams of the chunk that `values` reads from. */
export class BinXmlParser {
  readonly #values: ValueReader;
  readonly #names: NameTable;
  #at = 0;
  #end = 0;
  #references: NameReference[] | undefined;

  constructor(values: ValueReader, names: NameTable) {
    this.#values = values;
    this.#names = names;
  }

  /**
   * The element tree of a template definition's body, `[from, end)` of the chunk.
   *
   * @param references filled with the definition's references to names.
   * @throws {RecordError} `token`, `template` or `depth`.
   */
  definition(from: number, end: number, references: NameReference[]): Element | undefined {
    try {
      return this.#parse(from, end, true, true, references);
    } catch (error) {
      // Archived forwarded logs have been seen to break the rule of who carries dependency ids.
      if (!(error instanceof RecordError) || error.reason === "depth") throw error;
      references.length = 0;
      try {
        return this.#parse(from, end, true, false, references);
      } catch {
        throw error;
      }
    }
  }

  /**
   * The first root of an element tree in a record or in a nested fragment, `undefined` if it has
   * none.
   *
   * @throws {RecordError} `token` or `depth`.
   */
  tree(from: number, end: number): Element | undefined {
    try {
      return this.#parse(from, end, false, false, undefined);
    } catch (error) {
      if (!(error instanceof RecordError) || error.reason === "depth") throw error;
      try {
        return this.#parse(from, end, false, true, undefined);
      } catch {
        throw error;
      }
    }
  }

  #parse(
    from: number,
    end: number,
    inDefinition: boolean,
    hasDependencies: boolean,
    references: NameReference[] | undefined,
  ): Element | undefined {
    const bytes = this.#values.bytes;
    this.#at = from;
    this.#end = end;
    this.#references = references;
    const stack: OpenElement[] = [];
    /** The element whose start tag is open, between 01/41 and 02/03. */
    let current: OpenElement | undefined;
    let content: Leaf[] | undefined;
    let root: Element | undefined;
    while (this.#at < end) {
      const tokenAt = this.#at;
      const token = bytes[this.#at++]!;
      const kind = token & KIND;
      const more = (token & ~KIND) !== 0;
      if (more && ((token & 0x80) !== 0 || (MORE_ALLOWED >> kind & 1) === 0)) {
        throw unknownToken(token, tokenAt);
      }
      switch (kind) {
        case EOF:
          if (stack.length > 0) throw misplaced("end of stream in an element", tokenAt);
          return root;
        case OPEN_ELEMENT: {
          if (current !== undefined) throw misplaced("element in a start tag", tokenAt);
          if (stack.length >= MAX_ELEMENT_DEPTH) {
            const message = `elements are nested more than ${MAX_ELEMENT_DEPTH} deep`;
            throw new RecordError("depth", message, tokenAt);
          }
          this.#take(hasDependencies ? 6 : 4);
          if (u32(bytes, this.#at - 4) > end - this.#at) {
            throw misplaced("element larger than its stream", tokenAt);
          }
          const element: OpenElement = {
            kind: "element",
            name: this.#name(),
            attributes: [],
            children: [],
          };
          if ((token & HAS_MORE) !== 0) this.#take(4);
          const parent = stack.at(-1);
          if (parent !== undefined) parent.children.push(element);
          else if (root === undefined) root = element;
          else if (inDefinition) throw misplaced("second root in a template", tokenAt);
          stack.push(element);
          current = element;
          content = undefined;
          break;
        }
        case CLOSE_START:
          if (current === undefined) throw misplaced("tag end without a start tag", tokenAt);
          current = undefined;
          break;
        case CLOSE_EMPTY:
          if (current === undefined) throw misplaced("tag end without a start tag", tokenAt);
          current = undefined;
          stack.pop();
          break;
        case END_ELEMENT:
          if (current !== undefined) throw misplaced("element end in a start tag", tokenAt);
          if (stack.pop() === undefined) throw misplaced("element end without element", tokenAt);
          break;
        case ATTRIBUTE:
          if (current === undefined) throw misplaced("attribute outside of a start tag", tokenAt);
          content = [];
          current.attributes.push({ name: this.#name(), content });
          break;
        case PI_TARGET:
          this.#name();
          break;
        case PI_DATA:
          this.#text();
          break;
        case VALUE_TEXT:
        case CDATA:
        case CHAR_REF:
        case ENTITY_REF:
        case NORMAL_SUBSTITUTION:
        case OPTIONAL_SUBSTITUTION: {
          if (kind >= NORMAL_SUBSTITUTION && !inDefinition) {
            throw misplaced("substitution outside of a template", tokenAt);
          }
          const leaf = this.#leaf(kind);
          // Between the name of an element and its first attribute there is nothing to fill.
          const target = current === undefined ? stack.at(-1)?.children : content;
          if (target === undefined) throw misplaced("value outside of an element", tokenAt);
          addLeaf(target, leaf);
          break;
        }
        case FRAGMENT_HEADER:
          if (tokenAt !== from) throw misplaced("fragment header inside a stream", tokenAt);
          this.#take(FRAGMENT_HEADER_SIZE - 1);
          break;
        case TEMPLATE_INSTANCE:
          // Behind the first root, whatever follows is ignored.
          if (!inDefinition && root !== undefined && stack.length === 0) return root;
          throw misplaced("template instance inside a tree", tokenAt);
        default:
          throw unknownToken(token, tokenAt);
      }
    }
    if (stack.length > 0) throw misplaced("stream ends inside an element", end);
    return root;
  }

  #leaf(kind: number): Leaf {
    const bytes = this.#values.bytes;
    switch (kind) {
      case CDATA:
        return { kind: "text", text: this.#text() };
      case CHAR_REF:
        this.#take(2);
        return { kind: "text", text: String.fromCharCode(u16(bytes, this.#at - 2)) };
      case ENTITY_REF: {
        const name = this.#name();
        const text = Object.hasOwn(ENTITIES, name) ? ENTITIES[name]! : `&${name};`;
        return { kind: "text", text };
      }
      case NORMAL_SUBSTITUTION:
      case OPTIONAL_SUBSTITUTION:
        this.#take(3);
        return { kind: "slot", level: 0, index: u16(bytes, this.#at - 3) };
      default: {
        this.#take(1);
        const type = bytes[this.#at - 1]!;
        return type === STRING ? { kind: "text", text: this.#text() } : this.#typed(type);
      }
    }
  }

  /** Value text of a type other than string: legal, never seen, sized by its type. */
  #typed(type: number): Leaf {
    const at = this.#at;
    let size = widthOf(type);
    if (type === SID && at + 2 <= this.#end) size = 8 + 4 * this.#values.bytes[at + 1]!;
    if (size <= 0 || type === BINXML || type === SIZE_T || type > BINXML) {
      throw new RecordError("value", `value text of type ${hex(type)} has no size`, at);
    }
    this.#take(size);
    return {
      kind: "value",
      type,
      value: this.#values.decode(type, at, size),
      xml: this.#values.xmlText(type, at, size),
      alternate: this.#values.alternate(type, at, size),
    };
  }

  /** `u16 count` and as many UTF-16 code units. */
  #text(): string {
    this.#take(2);
    const units = u16(this.#values.bytes, this.#at - 2);
    this.#take(units * 2);
    return this.#values.utf16(this.#at - units * 2, units);
  }

  /** A reference to a name; the name itself stands behind it where the chunk first uses it. */
  #name(): string {
    const at = this.#at;
    this.#take(4);
    const offset = u32(this.#values.bytes, at);
    const name = this.#names.at(offset);
    const inline = offset === at + 4;
    if (inline) this.#take(NAME_OVERHEAD + name.length * 2);
    this.#references?.push({ at, inline, name });
    return name;
  }

  #take(size: number): void {
    this.#at += size;
    if (this.#at > this.#end) throw misplaced("token runs past the end of its stream", this.#end);
  }
}

/** Adjacent text is one leaf, so that `text` and `text` with a reference between them look alike. */
function addLeaf(target: (Element | Leaf)[] | Leaf[], leaf: Leaf): void {
  const last = target.at(-1);
  if (leaf.kind === "text" && last?.kind === "text") {
    target[target.length - 1] = { kind: "text", text: last.text + leaf.text };
  } else {
    target.push(leaf);
  }
}

function misplaced(what: string, at: number): RecordError {
  return new RecordError("token", `BinXML is malformed: ${what}`, at);
}

function unknownToken(token: number, at: number): RecordError {
  return new RecordError("token", `BinXML token ${hex(token)} is unknown`, at);
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
