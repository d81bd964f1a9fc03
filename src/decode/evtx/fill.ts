/**
 * A record's element tree with its values filled in, for records that have no fixed layout: no
 * template at all, fragments within fragments, arrays that repeat an element.
 */
import type { Value } from "../../event/value.ts";
import { scalarText } from "../../event/value.ts";
import type { Attribute, Element, Leaf, ValueLeaf } from "./element.ts";
import { MAX_ELEMENT_DEPTH } from "./binxml.ts";
import { RecordError } from "./errors.ts";
import type { Slots } from "./slots.ts";
import { ARRAY, BINXML, STRING } from "./value_type.ts";

/**
 * Nodes a filled tree may have. Real records stay below 2,000; forged ones can make every level
 * repeat the one below it. Values count for their size, so text is bounded too (16 MiB).
 */
export const MAX_NODES = 1 << 18;
const BYTES_PER_NODE = 64;

/** What all parts of one record may still add; shared by its nested fragments. */
export interface Budget {
  nodes: number;
}

/** Reads the fragment in a slot, inside of `depth` elements; `undefined` if it has no element. */
export type FragmentReader = (slots: Slots, slot: number, depth: number) => Element | undefined;

/**
 * Fills `root` in.
 *
 * @param depth how many elements are around `root` already.
 * @throws {RecordError} `depth` when the tree becomes too deep or too large.
 */
export function fill(
  root: Element,
  slots: Slots,
  budget: Budget,
  readFragment: FragmentReader,
  depth = 0,
): Element {
  return element(root, -1);

  /** `item` picks an item of the array the element is repeated for. */
  function element(source: Element, item: number): Element {
    if (depth >= MAX_ELEMENT_DEPTH) {
      throw new RecordError("depth", `elements are nested more than ${MAX_ELEMENT_DEPTH} deep`, 0);
    }
    spend(1);
    depth++;
    const attributes: Attribute[] = source.attributes.map(({ name, content }) => {
      spend(1);
      return { name, content: content.map((leaf) => filled(leaf, -1)) };
    });
    const children: (Element | Leaf)[] = [];
    for (const child of source.children) {
      if (child.kind === "element") {
        const items = repetitions(child);
        if (items === 1) children.push(element(child, -1));
        else for (let i = 0; i < items; i++) children.push(element(child, i));
        continue;
      }
      const slot = child.kind === "slot" ? slots.slot(child.level, child.index) : -1;
      if (slot >= 0 && slots.typeOf(slot) === BINXML) {
        spendBytes(slots.sizeOf(slot));
        const fragment = slots.sizeOf(slot) > 0 ? readFragment(slots, slot, depth) : undefined;
        // A fragment arrives filled in, so it only counts for its depth.
        if (fragment !== undefined) children.push(fragment);
      } else {
        children.push(filled(child, item));
      }
    }
    depth--;
    return { kind: "element", name: source.name, attributes, children };
  }

  /** How often the element stands in the document: once an item of the first array it holds. */
  function repetitions(source: Element): number {
    for (const child of source.children) {
      if (child.kind !== "slot") continue;
      const slot = slots.slot(child.level, child.index);
      if (slot < 0 || (slots.typeOf(slot) & ARRAY) === 0) continue;
      const items = slots.valueOf(slot);
      return Array.isArray(items) && items.length > 1 ? items.length : 1;
    }
    return 1;
  }

  function filled(leaf: Leaf, item: number): Leaf {
    if (leaf.kind !== "slot") {
      spend(1);
      return leaf;
    }
    const slot = slots.slot(leaf.level, leaf.index);
    if (slot < 0) return EMPTY;
    const type = slots.typeOf(slot);
    const value = slots.valueOf(slot);
    if (Array.isArray(value)) {
      spend(1);
      const items: readonly Value[] = value;
      const one = item >= 0 ? items[item] : items.length === 1 ? items[0] : undefined;
      if (one !== undefined) {
        const text = scalarText(one) ?? "";
        const kept = one === "" || one === null ? undefined : one;
        return { kind: "value", type: type & ~ARRAY, value: kept, xml: text, alternate: undefined };
      }
      if (item >= 0) return EMPTY;
      spendBytes(slots.sizeOf(slot));
      const joined = items.map((member) => scalarText(member) ?? "").join(",");
      return { kind: "value", type: STRING, value: joined, xml: joined, alternate: undefined };
    }
    spendBytes(slots.sizeOf(slot));
    return {
      kind: "value",
      type,
      value,
      xml: slots.xmlOf(slot),
      alternate: slots.alternateOf(slot),
    };
  }

  function spend(nodes: number): void {
    budget.nodes -= nodes;
    if (budget.nodes < 0) throw new RecordError("depth", "record expands to too much text", 0);
  }

  function spendBytes(bytes: number): void {
    spend(1 + Math.floor(bytes / BYTES_PER_NODE));
  }
}

const EMPTY: ValueLeaf = {
  kind: "value",
  type: 0,
  value: undefined,
  xml: "",
  alternate: undefined,
};
