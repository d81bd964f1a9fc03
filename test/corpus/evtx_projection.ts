/**
 * The JSON projection of evtx.md section 14, written a second time over XML, so that what other
 * decoders print can be laid beside what ours gives. Every scalar is text here.
 */
import type { Value } from "../../src/event/value.ts";
import { isObject, scalarText } from "../../src/event/value.ts";
import { elements, textOf, type XmlElement } from "./evtx_xml.ts";

/** A map, because hostile events name their fields `__proto__`. */
type Members = Map<string, Value>;

/** The record as an object with the root's name as only key. */
export function projectXml(root: XmlElement): Value {
  return { [root.name]: projected(root) };
}

function projected(element: XmlElement): Value {
  const children = elements(element);
  const text = textOf(element);
  const attributes = element.attributes.filter(([, value]) => value !== "");
  if (attributes.length === 0 && children.length === 0) return text === "" ? null : text;
  const members: Members = new Map();
  if (attributes.length > 0) members.set("#attributes", Object.fromEntries(attributes));
  if (text !== "") members.set("#text", text);
  const isContainer = element.name === "EventData" || element.name === "UserData";
  const data = isContainer ? elements(element, "Data") : [];
  addData(members, data);
  const seen = new Map<string, number>();
  for (const child of children) {
    if (isContainer && child.name === "Data") continue;
    const before = seen.get(child.name) ?? 0;
    seen.set(child.name, before + 1);
    members.set(before === 0 ? child.name : `${child.name}_${before}`, projected(child));
  }
  return Object.fromEntries(members);
}

function addData(members: Members, data: readonly XmlElement[]): void {
  const named = data.map((child) => [nameOf(child), dataValue(child)] as const);
  if (named.some(([name]) => name !== "")) {
    for (const [name, value] of named) {
      if (name === "") continue;
      const earlier = members.get(name);
      if (earlier === undefined) members.set(name, value);
      else members.set(name, Array.isArray(earlier) ? [...earlier, value] : [earlier, value]);
    }
  } else if (data.length > 0) {
    const values = named.map(([, value]) => value);
    members.set("Data", { "#text": values.length === 1 ? values[0]! : values });
  }
}

function nameOf(data: XmlElement): string {
  return data.attributes.find(([name]) => name === "Name")?.[1] ?? "";
}

function dataValue(data: XmlElement): Value {
  if (elements(data).length === 0) return textOf(data);
  const value = projected({ ...data, attributes: [] });
  return value ?? "";
}

/**
 * Path and text of every leaf; `""` and null are one, since XML cannot tell them apart.
 *
 * @param empty gets the paths of those that have no text, which are not among the leaves.
 */
export function leaves(
  value: Value,
  empty: string[] = [],
  path = "",
  into = new Map<string, string>(),
): ReadonlyMap<string, string> {
  if (Array.isArray(value)) {
    (value as readonly Value[]).forEach((item, at) => leaves(item, empty, `${path}[${at}]`, into));
  } else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      leaves(member, empty, path === "" ? key : `${path}.${key}`, into);
    }
  } else {
    const text = scalarText(value) ?? "";
    if (text === "") empty.push(path);
    else into.set(path, text);
  }
  return into;
}
