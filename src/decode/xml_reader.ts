/**
 * A reader of small XML documents: elements, attributes, texts, CDATA, comments, references.
 *
 * There is no DTD, so nothing expands and nothing is fetched: what a document can cost is its length.
 */
import { DecodeError } from "./errors.ts";

/** An element with the text that is directly in it. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: readonly (readonly [name: string, text: string])[];
  readonly children: readonly XmlElement[];
  /**
   * Its own texts, a line end between those that a child parts; empty if there are children and
   * nothing but blanks.
   */
  readonly text: string;
}

interface OpenElement extends XmlElement {
  readonly children: OpenElement[];
  text: string;
  /** How many children there were when text was added last. */
  before: number;
}

/** Windows events nest a handful deep, and lookups stop at 64. */
export const MAX_XML_DEPTH = 64;

const NAME = /[^\s/>=<"'&!?]+/y;
const ATTRIBUTE = /\s+([^\s/>=<"'&]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
const TAG_END = /\s*(\/?)>/y;
const CLOSE_TAG = /<\/([^\s/>=<"'&]+)\s*>/y;
const NOT_BLANK = /\S/;

/**
 * Reads the one element that a document consists of.
 *
 * A reference that means nothing stays as it is written, and one to a character that XML does not
 * allow becomes U+FFFD: what a program was made to log must not keep its event from being read.
 *
 * @throws {DecodeError} `DECODE_XML` if a tag is malformed, not closed or closed by another, for a
 *   document type, and for elements that nest deeper than `MAX_XML_DEPTH`.
 */
export function readXml(text: string): XmlElement {
  const open: OpenElement[] = [];
  let root: OpenElement | undefined;
  let at = 0;
  while (at < text.length) {
    const tag = text.indexOf("<", at);
    const end = tag < 0 ? text.length : tag;
    if (end > at) {
      const piece = text.slice(at, end);
      const parent = open.at(-1);
      if (parent !== undefined) addText(parent, unescape(piece));
      else if (NOT_BLANK.test(piece)) throw malformed("text outside of the element", at);
    }
    if (tag < 0) break;
    const mark = text.charCodeAt(tag + 1);
    if (mark === SLASH) at = closeElement(text, tag, open);
    else if (mark === QUESTION) at = behind(text, "?>", tag);
    else if (mark === EXCLAMATION) at = readSpecial(text, tag, open.at(-1));
    else {
      const parent = open.at(-1);
      if (parent === undefined && root !== undefined) throw malformed("a second element", tag);
      const [element, next, isEmpty] = readStart(text, tag);
      parent?.children.push(element);
      root ??= element;
      if (!isEmpty && open.push(element) > MAX_XML_DEPTH) {
        throw malformed(`elements nest deeper than ${MAX_XML_DEPTH}`, tag);
      }
      at = next;
    }
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) throw malformed(`<${shown(unclosed.name)}> is not closed`, at);
  if (root === undefined) throw malformed("no element", 0);
  return root;
}

const SLASH = 47;
const QUESTION = 63;
const EXCLAMATION = 33;
const GREATER = 62;
const NO_ATTRIBUTES: XmlElement["attributes"] = [];

function addText(element: OpenElement, text: string): void {
  const { children, before } = element;
  element.text += children.length > before && element.text !== "" ? `\n${text}` : text;
  element.before = children.length;
}

/** A start tag at `tag`. */
function readStart(
  text: string,
  tag: number,
): readonly [element: OpenElement, end: number, isEmpty: boolean] {
  NAME.lastIndex = tag + 1;
  const name = NAME.exec(text)?.[0];
  if (name === undefined) throw malformed("a tag without a name", tag);
  let at = NAME.lastIndex;
  if (text.charCodeAt(at) === GREATER) {
    return [{ name, attributes: NO_ATTRIBUTES, children: [], text: "", before: 0 }, at + 1, false];
  }
  const attributes: (readonly [string, string])[] = [];
  for (;;) {
    ATTRIBUTE.lastIndex = at;
    const match = ATTRIBUTE.exec(text);
    if (match === null) break;
    attributes.push([match[1]!, unescape(match[2] ?? match[3]!)]);
    at = ATTRIBUTE.lastIndex;
  }
  TAG_END.lastIndex = at;
  const end = TAG_END.exec(text);
  if (end === null) throw malformed(`the tag <${shown(name)}>`, tag);
  return [
    { name, attributes, children: [], text: "", before: 0 },
    TAG_END.lastIndex,
    end[1] === "/",
  ];
}

function closeElement(text: string, tag: number, open: OpenElement[]): number {
  const element = open.pop();
  const end = element === undefined ? -1 : tag + 2 + element.name.length;
  const isUsual = end >= 0 && text.charCodeAt(end) === GREATER &&
    text.startsWith(element!.name, tag + 2);
  const next = isUsual ? end + 1 : readEnd(text, tag, element);
  if (element!.children.length > 0 && !NOT_BLANK.test(element!.text)) element!.text = "";
  return next;
}

/** An end tag with blanks in it, or one that closes nothing. */
function readEnd(text: string, tag: number, element: OpenElement | undefined): number {
  CLOSE_TAG.lastIndex = tag;
  const name = CLOSE_TAG.exec(text)?.[1];
  if (name === undefined) throw malformed("an end tag", tag);
  if (element?.name !== name) throw malformed(`</${shown(name)}> closes nothing`, tag);
  return CLOSE_TAG.lastIndex;
}

const CDATA = "<![CDATA[";

/** A comment or CDATA. */
function readSpecial(text: string, tag: number, element: OpenElement | undefined): number {
  if (text.startsWith("<!--", tag)) return behind(text, "-->", tag + 4);
  if (element === undefined || !text.startsWith(CDATA, tag)) {
    throw malformed("a declaration that is not allowed", tag);
  }
  const end = behind(text, "]]>", tag + CDATA.length);
  addText(element, text.slice(tag + CDATA.length, end - 3));
  return end;
}

function behind(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  if (at < 0) throw malformed(`no ${JSON.stringify(mark)}`, from);
  return at + mark.length;
}

const REFERENCE = /&(?:#(\d{1,8})|#x([\da-f]{1,8})|(lt|gt|amp|quot|apos));/gi;
const NAMED: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

function unescape(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    REFERENCE,
    (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
      if (name !== undefined) return NAMED[name] ?? whole;
      const code = decimal === undefined ? parseInt(hex!, 16) : Number(decimal);
      const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
      return isCharacter ? String.fromCodePoint(code) : "\ufffd";
    },
  );
}

/** Names are from the log: a message is no place for all of a long one. */
function shown(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}

function malformed(what: string, at: number): DecodeError {
  return new DecodeError("DECODE_XML", `Cannot decode XML: ${what}, at character ${at}`);
}
