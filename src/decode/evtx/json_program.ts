/**
 * The JSON text around the values of all records of one shape.
 *
 * The projection is made once, with marks in the place of values, and cut at the marks. So the rules
 * of the projection stand in `project.ts` alone.
 */
import { jsonText } from "../../event/json_text.ts";
import type { Value, ValueObject } from "../../event/value.ts";
import { attributeOf, type Element, type Leaf } from "./element.ts";
import type { Layout } from "./layout.ts";
import { projectRecord } from "./project.ts";
import { Slots } from "./slots.ts";
import { ARRAY, BOOL, INT8, STRING, UINT64 } from "./value_type.ts";
import { ValueReader } from "./values.ts";

/** Stands for the type of a slot that has no value. */
export const EMPTY = 0xff;
/** Where no leaf names a slot, none is looked up. */
const NO_SLOTS = new Slots(new ValueReader(), 0);
const STRING_ARRAY = ARRAY | STRING;

/** `texts[0] slots[0] texts[1] slots[1] … texts[n]` */
export interface JsonProgram {
  readonly texts: readonly Uint8Array[];
  readonly slots: Int32Array;
  readonly textSize: number;
}

/**
 * Compiles the text of records of `layout` whose slots have `types`, or `EMPTY` for a slot without a
 * value.
 *
 * @returns `undefined` when the text depends on more than that.
 */
export function compileJson(
  layout: Layout,
  types: Uint8Array,
  outerCount: number,
): JsonProgram | undefined {
  const marks = new Map<ValueObject, number>();
  const typeOf = (leaf: Leaf): number => {
    if (leaf.kind !== "slot") return EMPTY;
    if (leaf.level === 0) return leaf.index < outerCount ? types[leaf.index]! : EMPTY;
    return types[leaf.index + outerCount] ?? EMPTY;
  };
  const mark = (leaf: Leaf): Leaf => {
    if (leaf.kind !== "slot") return leaf;
    const type = typeOf(leaf);
    const value: ValueObject = {};
    if (type !== EMPTY) marks.set(value, leaf.level === 0 ? leaf.index : leaf.index + outerCount);
    return {
      kind: "value",
      type,
      value: type === EMPTY ? undefined : value,
      xml: "",
      alternate: undefined,
    };
  };
  const markAll = (element: Element): Element => ({
    ...element,
    attributes: element.attributes.map(({ name, content }) => ({
      name,
      content: content.map(mark),
    })),
    children: element.children.map((child) =>
      child.kind === "element" ? markAll(child) : mark(child)
    ),
  });
  if (isOpen(layout.root, undefined, typeOf)) return undefined;
  const cutter = new Cutter(marks, types);
  cutter.write(projectRecord(markAll(layout.root), NO_SLOTS));
  return cutter.program();
}

/** Whether the text around values depends on them: mixed content, and arrays that repeat elements. */
function isOpen(
  element: Element,
  parent: Element | undefined,
  typeOf: (leaf: Leaf) => number,
): boolean {
  for (
    const content of [...element.attributes.map((attribute) => attribute.content), element.children]
  ) {
    const leaves = content.filter((part): part is Leaf => part.kind !== "element");
    if (leaves.length > 1 && leaves.some(({ kind }) => kind === "slot")) return true;
    const isRow = content === element.children && isOnlyData(element, parent);
    for (const leaf of leaves) {
      const type = typeOf(leaf);
      if (type !== EMPTY && type >= ARRAY && !(isRow && type === STRING_ARRAY)) return true;
    }
  }
  return element.children.some((child) =>
    child.kind === "element" && isOpen(child, element, typeOf)
  );
}

/** Whether repeating the element only lengthens the row of its parent's `Data`. */
function isOnlyData(element: Element, parent: Element | undefined): boolean {
  if (element.name !== "Data" || parent?.name !== "EventData") return false;
  if (attributeOf(element, "Name") !== undefined || element.children.length !== 1) return false;
  return parent.children.filter((child) => child.kind === "element" && child.name === "Data")
    .length === 1;
}

/** Writes JSON and cuts it where values go. */
class Cutter {
  readonly #marks: ReadonlyMap<Value, number>;
  readonly #types: Uint8Array;
  readonly #texts: string[] = [];
  readonly #slots: number[] = [];
  #text = "";

  constructor(marks: ReadonlyMap<Value, number>, types: Uint8Array) {
    this.#marks = marks;
    this.#types = types;
  }

  write(value: Value): void {
    const slot = this.#marks.get(value);
    if (slot !== undefined) {
      const quote = isBare(this.#types[slot]!) ? "" : '"';
      this.#texts.push(this.#text + quote);
      this.#slots.push(slot);
      this.#text = quote;
    } else if (Array.isArray(value)) {
      this.#text += "[";
      (value as readonly Value[]).forEach((item, index) => {
        if (index > 0) this.#text += ",";
        this.write(item);
      });
      this.#text += "]";
    } else if (typeof value === "object" && value !== null) {
      this.#text += "{";
      Object.entries(value).forEach(([key, member], index) => {
        this.#text += `${index > 0 ? "," : ""}${JSON.stringify(key)}:`;
        this.write(member);
      });
      this.#text += "}";
    } else {
      this.#text += jsonText(value);
    }
  }

  program(): JsonProgram {
    const encoder = new TextEncoder();
    const texts = [...this.#texts, this.#text].map((text) => encoder.encode(text));
    const textSize = texts.reduce((sum, { length }) => sum + length, 0);
    return { texts, slots: Int32Array.from(this.#slots), textSize };
  }
}

/** Integers and booleans stand without quotes; a row brings its own. */
function isBare(type: number): boolean {
  return (type >= INT8 && type <= UINT64) || type === BOOL || type === STRING_ARRAY;
}
