/**
 * The JSON projection of a record: the shape that the reference's results carry.
 *
 * One difference: where a name stands for several values (`Data` with the same `Name` twice), all
 * of them are kept as an array; the reference's last one wins.
 */
import type { Value } from "../../event/value.ts";
import { scalarText } from "../../event/value.ts";
import { attributeOf, type Element, type Leaf } from "./element.ts";
import type { Slots } from "./slots.ts";

type Members = Record<string, Value>;

/** The record as an object whose only key is the name of its root. */
export function projectRecord(root: Element, slots: Slots): Members {
  const members: Members = {};
  setMember(members, root.name, projectElement(root, slots));
  return members;
}

/** The value of an element: null, a scalar, or an object of attributes, text and children. */
export function projectElement(element: Element, slots: Slots): Value {
  const { attributes, children } = element;
  const first = children[0];
  if (attributes.length === 0 && children.length === 1 && first!.kind !== "element") {
    return leafValue(first!, slots) ?? null;
  }
  const named = projectAttributes(element, slots);
  const text = leavesValue(children, slots);
  if (!children.some((child) => child.kind === "element")) {
    if (named === undefined) return text ?? null;
    return text === undefined ? { "#attributes": named } : { "#attributes": named, "#text": text };
  }
  const members: Members = {};
  if (named !== undefined) members["#attributes"] = named;
  if (text !== undefined) members["#text"] = text;
  if (element.name === "EventData" || element.name === "UserData") {
    addContainer(members, element, slots);
  } else {
    addChildren(members, element, slots);
  }
  return members;
}

/** The value of a `Data` element: as above without its attributes, and `""` when it is empty. */
export function projectData(element: Element, slots: Slots): Value {
  const { children } = element;
  const text = leavesValue(children, slots);
  if (!children.some((child) => child.kind === "element")) return text ?? "";
  const members: Members = {};
  if (text !== undefined) members["#text"] = text;
  addChildren(members, element, slots);
  return members;
}

/** A leaf's value; `undefined` when it is empty. An array of one item is that item. */
export function leafValue(leaf: Leaf, slots: Slots): Value | undefined {
  switch (leaf.kind) {
    case "text":
      return leaf.text === "" ? undefined : leaf.text;
    case "value":
      return leaf.value;
    case "slot":
      return single(slots.valueOf(slots.slot(leaf.level, leaf.index)));
  }
}

/** The value of the leaves among `parts`: the only one as it is, several as their joined text. */
export function leavesValue(parts: readonly (Element | Leaf)[], slots: Slots): Value | undefined {
  let count = 0;
  let only: Value | undefined;
  let text = "";
  for (const part of parts) {
    if (part.kind === "element") continue;
    const value = leafValue(part, slots);
    if (++count === 1) only = value;
    else {
      if (count === 2) text = leafText(only);
      text += leafText(value);
    }
  }
  if (count <= 1) return only;
  return text === "" ? undefined : text;
}

/** The name a `Data` element gives to its value; `""` if it has none. */
export function dataName(element: Element, slots: Slots): string {
  const attribute = attributeOf(element, "Name");
  return attribute === undefined ? "" : leafText(leavesValue(attribute.content, slots));
}

/** An array with one member stands for that member. */
export function single(value: Value | undefined): Value | undefined {
  return Array.isArray(value) && value.length === 1 ? (value as readonly Value[])[0] : value;
}

function leafText(value: Value | undefined): string {
  if (Array.isArray(value)) return value.map((item) => scalarText(item) ?? "").join(",");
  return scalarText(value) ?? "";
}

function projectAttributes(element: Element, slots: Slots): Members | undefined {
  let members: Members | undefined;
  for (const { name, content } of element.attributes) {
    const value = leavesValue(content, slots);
    if (value === undefined || value === "") continue;
    members ??= {};
    setMember(members, name, Array.isArray(value) ? leafText(value) : value);
  }
  return members;
}

/** Children by name; the second and later ones of a name get `_1`, `_2`, … */
function addChildren(members: Members, element: Element, slots: Slots): void {
  const seen = new Map<string, number>();
  for (const child of element.children) {
    if (child.kind === "element") addChild(members, child, seen, slots);
  }
}

function addChild(
  members: Members,
  child: Element,
  seen: Map<string, number>,
  slots: Slots,
): void {
  const before = seen.get(child.name) ?? 0;
  seen.set(child.name, before + 1);
  const key = before === 0 ? child.name : `${child.name}_${before}`;
  setMember(members, key, projectElement(child, slots));
}

/** Children of `EventData` and `UserData`: `Data` by its `Name`, or all of them in one row. */
function addContainer(members: Members, element: Element, slots: Slots): void {
  const seen = new Map<string, number>();
  const data = element.children.filter((child): child is Element =>
    child.kind === "element" && child.name === "Data"
  );
  const names = data.map((child) => dataName(child, slots));
  const isNamed = names.some((name) => name !== "");
  let position = 0;
  for (const child of element.children) {
    if (child.kind !== "element") continue;
    if (child.name !== "Data") {
      addChild(members, child, seen, slots);
    } else if (isNamed) {
      const name = names[position++]!;
      if (name !== "") addMember(members, name, projectData(child, slots));
    } else if (position++ === 0) {
      const values = data.map((member) => projectData(member, slots));
      members.Data = { "#text": values.length === 1 ? values[0]! : values };
    }
  }
}

/** Sets a member; a second value under one name makes an array of both. */
function addMember(members: Members, key: string, value: Value): void {
  if (!Object.hasOwn(members, key)) {
    setMember(members, key, value);
    return;
  }
  const earlier = members[key]!;
  // Data values are scalars or objects, so an array can only be one made here.
  if (Array.isArray(earlier)) (earlier as Value[]).push(value);
  else setMember(members, key, [earlier, value]);
}

/** Sets an own member whatever its name is: `__proto__` comes from hostile events. */
function setMember(members: Members, key: string, value: Value): void {
  if (key === "__proto__") {
    Object.defineProperty(members, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else {
    members[key] = value;
  }
}
