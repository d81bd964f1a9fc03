/**
 * Windows events as XML: what `wevtutil`, NXLog and Winlogbeat write, and what forwarders put into
 * syslog messages.
 *
 * They become the same shape as the JSON of `evtx_dump`, so everything that knows one of the two
 * knows the other.
 *
 * @see evtx.md, sections 14 (the shape) and 15.5 (the names)
 */
import type { LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { lookup, someLeafText } from "../event/lookup.ts";
import type { TextGate } from "../event/text_gate.ts";
import { scalarText, type Value, type ValueObject } from "../event/value.ts";
import { DecodeError } from "./errors.ts";
import { type WindowsShape, windowsShape } from "./windows_json.ts";
import { readXml, type XmlElement } from "./xml_reader.ts";

const START = /^\s*(?:<\?xml\s[^>]*>\s*)?<Event\s[^>]*?\bxmlns\s*=/;

/** Whether `text` begins as a Windows event in XML does. */
export function isWindowsXml(text: string): boolean {
  return START.test(text);
}

/**
 * Decodes a Windows event.
 *
 * Numbers of the System part are numbers, all else is text, since XML does not tell what it was.
 * Of several `Data` with one `Name` all are kept, and those without a name answer to `Data` beside
 * named ones.
 *
 * @param text The `<Event>` element; an XML declaration and blanks may stand around it.
 * @throws {DecodeError} `DECODE_XML` if it is malformed, another element, or without `System`.
 */
export function decodeWindowsXml(text: string): LogEvent {
  const root = readXml(text);
  const isEvent = root.name === "Event" && root.children.some(({ name }) => name === "System");
  if (!isEvent) {
    throw new DecodeError(
      "DECODE_XML",
      "Cannot decode XML: not a Windows event with a System part",
    );
  }
  return new WindowsXmlEvent({ Event: elementValue(root, false) }, text);
}

/** What may stand in the midst of a leaf's text; a child element leaves a line end behind. */
const HIDDEN = /&|<[!?]/;

class WindowsXmlEvent implements LogEvent {
  readonly product = "windows";
  readonly #root: ValueObject;
  readonly #text: string;
  readonly #shape: WindowsShape | undefined;

  constructor(root: ValueObject, text: string) {
    this.#root = root;
    this.#text = text;
    this.#shape = windowsShape(root);
  }

  get(field: Field): Value | undefined {
    const value = lookup(this.#root, field);
    return value === undefined ? this.#shape?.get(field) : value;
  }

  someText(visit: (text: string) => boolean): boolean {
    return someLeafText(this.#root, scalarText, visit);
  }

  mayContain(gate: TextGate): boolean {
    return HIDDEN.test(this.#text) || gate.test(this.#text);
  }

  toValue(): Value {
    return this.#root;
  }
}

type Members = Record<string, Value>;

/** Sets an own member whatever its name is: `__proto__` comes from hostile events. */
function setMember(members: Members, name: string, value: Value): void {
  if (name === "__proto__") {
    const member = { value, enumerable: true, configurable: true, writable: true };
    Object.defineProperty(members, name, member);
  } else members[name] = value;
}

/** Children of `System`, and attributes of these, that are numbers. */
const NUMBERS: ReadonlySet<string> = new Set([
  "EventID",
  "Version",
  "Level",
  "Task",
  "Opcode",
  "EventRecordID",
  "Qualifiers",
  "ProcessID",
  "ThreadID",
]);
/** Without leading zeros, so that the number has the same text. */
const INTEGER = /^(?:0|[1-9]\d{0,19})$/;

function textValue(name: string, text: string, inSystem: boolean): Value {
  if (!inSystem || !NUMBERS.has(name) || !INTEGER.test(text)) return text;
  return text.length < 16 ? Number(text) : BigInt(text);
}

/** The value of an element: null, a scalar, or an object of attributes, text and children. */
function elementValue(element: XmlElement, inSystem: boolean): Value {
  const { name, children, text } = element;
  const own = text === "" ? undefined : textValue(name, text, inSystem);
  const attributes = attributeValues(element, inSystem);
  if (attributes === undefined && children.length === 0) return own ?? null;
  const members: Members = {};
  if (attributes !== undefined) members["#attributes"] = attributes;
  if (own !== undefined) members["#text"] = own;
  if (name === "EventData" || name === "UserData") addContainer(members, element);
  else addChildren(members, children, inSystem || name === "System");
  return members;
}

/** Empty ones do not count. */
function attributeValues({ attributes }: XmlElement, inSystem: boolean): Members | undefined {
  let values: Members | undefined;
  for (const [name, text] of attributes) {
    if (text !== "") setMember(values ??= {}, name, textValue(name, text, inSystem));
  }
  return values;
}

/** Children by name; the second and later ones of a name get `_1`, `_2`, … */
function addChildren(
  members: Members,
  children: readonly XmlElement[],
  inSystem: boolean,
): void {
  let seen: Map<string, number> | undefined;
  for (const child of children) {
    let key = child.name;
    if (Object.hasOwn(members, key)) {
      const before = (seen ??= new Map()).get(child.name) ?? 1;
      seen.set(child.name, before + 1);
      key = `${child.name}_${before}`;
    }
    setMember(members, key, elementValue(child, inSystem));
  }
}

/** Children of `EventData` and `UserData`: `Data` by its `Name`, those without one in a row. */
function addContainer(members: Members, { children }: XmlElement): void {
  const row: Value[] = [];
  const others: XmlElement[] = [];
  for (const child of children) {
    if (child.name !== "Data") {
      others.push(child);
      continue;
    }
    const name = child.attributes.find(([key]) => key === "Name")?.[1] ?? "";
    if (name === "") row.push(dataValue(child));
    else addData(members, name, dataValue(child));
  }
  if (row.length > 0) addData(members, "Data", { "#text": row.length === 1 ? row[0]! : row });
  addChildren(members, others, false);
}

/** Sets a member; a second value under one name makes an array of both. */
function addData(members: Members, name: string, value: Value): void {
  if (!Object.hasOwn(members, name)) setMember(members, name, value);
  else {
    const earlier = members[name]!;
    // Values of `Data` are texts or objects, so an array can only be one made here.
    if (Array.isArray(earlier)) (earlier as Value[]).push(value);
    else setMember(members, name, [earlier, value]);
  }
}

function dataValue({ children, text }: XmlElement): Value {
  if (children.length === 0) return text;
  const members: Members = {};
  if (text !== "") members["#text"] = text;
  addChildren(members, children, false);
  return members;
}
