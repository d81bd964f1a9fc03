/**
 * The element tree that BinXML stands for.
 *
 * One shape serves three purposes: a template definition (its leaves name slots of a substitution
 * array), two of them joined for a kind of record, and one record with its values filled in.
 */
import type { Value } from "../../event/value.ts";

/** Text of the document itself: value text, CDATA, character and entity references. */
export interface TextLeaf {
  readonly kind: "text";
  readonly text: string;
}

/** Substitution `index` of the record's instance at `level`: 0 the outer one, 1 the one inside it. */
export interface SlotLeaf {
  readonly kind: "slot";
  readonly level: number;
  readonly index: number;
}

/** A decoded value. */
export interface ValueLeaf {
  readonly kind: "value";
  readonly type: number;
  /** `undefined` when empty. */
  readonly value: Value | undefined;
  /** As Windows writes it in XML. */
  readonly xml: string;
  readonly alternate: string | undefined;
}

export type Leaf = TextLeaf | SlotLeaf | ValueLeaf;

export interface Attribute {
  readonly name: string;
  readonly content: readonly Leaf[];
}

export interface Element {
  readonly kind: "element";
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly children: readonly (Element | Leaf)[];
}

/** What a record without any element stands for. */
export const EMPTY_EVENT: Element = {
  kind: "element",
  name: "Event",
  attributes: [],
  children: [],
};

/** The first child element of this name. */
export function childOf(element: Element | undefined, name: string): Element | undefined {
  if (element === undefined) return undefined;
  for (const child of element.children) {
    if (child.kind === "element" && child.name === name) return child;
  }
  return undefined;
}

/** The first attribute of this name. */
export function attributeOf(element: Element | undefined, name: string): Attribute | undefined {
  return element?.attributes.find((attribute) => attribute.name === name);
}

/** The children that are text or values. */
export function leavesOf(element: Element): readonly Leaf[] {
  return element.children.filter((child): child is Leaf => child.kind !== "element");
}

/** The children that are elements. */
export function elementsOf(element: Element): readonly Element[] {
  return element.children.filter((child): child is Element => child.kind === "element");
}
