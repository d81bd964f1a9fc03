/**
 * A record as XML text, the way Windows' own tools show it: GUIDs as `{lower case}`, times with seven
 * digits, elements indented.
 */
import type { Attribute, Element, Leaf } from "./element.ts";
import type { EvtxEvent } from "./event.ts";
import type { Slots } from "./slots.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};
/** Characters XML 1.0 has no way to write: control characters, lone surrogates, two non-characters. */
const UNWRITABLE =
  // deno-lint-ignore no-control-regex
  /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The record as one element, indented by two blanks a level, without a line feed at its end. */
export function toXml(event: EvtxEvent): string {
  return elementText(event.tree(), event.slots, "");
}

function elementText(element: Element, slots: Slots, indent: string): string {
  const { name, children } = element;
  const attributes = element.attributes.map((attribute) => attributeText(attribute, slots));
  const start = `${indent}<${nameText(name)}${attributes.join("")}`;
  if (!children.some((child) => child.kind === "element")) {
    const text = children.map((child) => escape(leafText(child as Leaf, slots), false)).join("");
    return text === "" ? `${start}/>` : `${start}>${text}</${nameText(name)}>`;
  }
  const inner = `${indent}  `;
  const lines = children.map((child) => {
    if (child.kind === "element") return elementText(child, slots, inner);
    const text = leafText(child, slots);
    return text.trim() === "" ? "" : inner + escape(text, false);
  });
  const content = lines.filter((line) => line !== "").join("\n");
  return `${start}>\n${content}\n${indent}</${nameText(name)}>`;
}

/** An attribute without a value is not written. */
function attributeText({ name, content }: Attribute, slots: Slots): string {
  const text = content.map((leaf) => leafText(leaf, slots)).join("");
  return text === "" ? "" : ` ${nameText(name)}="${escape(text, true)}"`;
}

function leafText(leaf: Leaf, slots: Slots): string {
  switch (leaf.kind) {
    case "text":
      return leaf.text;
    case "value":
      return leaf.xml;
    case "slot":
      return slots.xmlOf(slots.slot(leaf.level, leaf.index));
  }
}

function escape(text: string, isAttribute: boolean): string {
  const escaped = text.replace(isAttribute ? /[&<>"]/g : /[&<>]/g, (match) => ESCAPES[match]!);
  return escaped.replace(UNWRITABLE, "\ufffd");
}

/** A forged name must not be able to write markup. */
function nameText(name: string): string {
  const kept = name.replace(/[^\p{L}\p{N}_.:-]/gu, "_");
  return /^[\p{L}_:]/u.test(kept) ? kept : `_${kept}`;
}
