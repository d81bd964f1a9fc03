/**
 * Reads the XML that EVTX decoders print, leniently: they print any character an event holds, so a
 * strict parser would refuse what is to be compared.
 */

export interface XmlElement {
  readonly name: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly children: readonly (XmlElement | string)[];
}

const NAMED: Readonly<Record<string, string>> = {
  quot: '"',
  amp: "&",
  lt: "<",
  gt: ">",
  apos: "'",
};

/** Resolves the five named and all numeric references; others stay as they are. */
export function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return NAMED[name] ?? whole;
    const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });
}

// A tag of an event holds a name and quoted attributes; text never starts like that unescaped.
const TAG = /<(\/?)([A-Za-z_][\w:.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g;
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/**
 * Every element of this name that stands outside the others, in order.
 *
 * An element that is not closed properly is left out, and reading goes on with the next of the name.
 */
export function* outermost(xml: string, name: string): Generator<XmlElement> {
  const start = new RegExp(`<${name}(?=[\\s/>])`, "g");
  for (let found = start.exec(xml); found !== null; found = start.exec(xml)) {
    const read = readElement(xml, found.index);
    if (read === undefined) continue;
    yield read.element;
    start.lastIndex = read.end;
  }
}

interface Open {
  readonly name: string;
  readonly attributes: XmlElement["attributes"];
  readonly children: (XmlElement | string)[];
}

function readElement(xml: string, from: number): { element: XmlElement; end: number } | undefined {
  const open: Open[] = [];
  let textFrom = from;
  TAG.lastIndex = from;
  for (let tag = TAG.exec(xml); tag !== null; tag = TAG.exec(xml)) {
    const [whole, closing, name, attributes, empty] = tag;
    const top = open.at(-1);
    if (top !== undefined) top.children.push(unescapeXml(xml.slice(textFrom, tag.index)));
    textFrom = tag.index + whole.length;
    if (closing === "/") {
      if (top === undefined || top.name !== name) return undefined;
      open.pop();
    } else {
      const element: Open = { name: name!, attributes: readAttributes(attributes!), children: [] };
      top?.children.push(element);
      if (empty !== "/") {
        open.push(element);
        continue;
      }
      if (top === undefined) return { element, end: textFrom };
    }
    if (open.length === 0 && top !== undefined) return { element: top, end: textFrom };
  }
  return undefined;
}

function readAttributes(source: string): XmlElement["attributes"] {
  return Array.from(
    source.matchAll(ATTRIBUTE),
    ([, name, double, single]) => [name!, unescapeXml(double ?? single ?? "")] as const,
  );
}

/** Child elements; `name` picks those of one name. */
export function elements(parent: XmlElement, name?: string): readonly XmlElement[] {
  return parent.children.filter((child): child is XmlElement =>
    typeof child !== "string" && (name === undefined || child.name === name)
  );
}

/** The text directly inside an element. Indentation around child elements is not text. */
export function textOf(element: XmlElement): string {
  const parts = element.children.filter((child) => typeof child === "string");
  const text = parts.join("");
  return parts.length < element.children.length && text.trim() === "" ? "" : text;
}
