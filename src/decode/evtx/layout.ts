/**
 * The Windows view of records that share a layout: the flat names Sigma rules use, resolved to the
 * places their values have.
 *
 * A layout is the element tree of an outer template joined with that of the fragment inside it. What
 * a name means depends on that tree alone, so it is worked out once per layout and name; per record
 * an array access remains.
 */
import { type Field, fieldCount, internField } from "../../event/field.ts";
import { someLeafText } from "../../event/lookup.ts";
import type { TextGate } from "../../event/text_gate.ts";
import { scalarText } from "../../event/value.ts";
import { attributeOf, childOf, type Element, elementsOf, type Leaf, leavesOf } from "./element.ts";
import {
  ABSENT_SOURCE,
  BRACED,
  CONSTANT,
  constantSource,
  ELEMENT,
  FIRST,
  leavesSource,
  LIST,
  MEMBER,
  membersSource,
  pathSource,
  ROW,
  SLOT,
  Source,
} from "./source.ts";
import { ATTRIBUTE_NAMES } from "../leaf_names.ts";
import { EVENT_BRANCHES, SYSTEM_ATTRIBUTES, SYSTEM_CHILDREN } from "../windows_names.ts";

export class Layout {
  /** Dense, from 0, within a decoder; -1 for a tree that belongs to one record. */
  readonly id: number;
  readonly root: Element;
  /** By `Field.id`, filled in as fields are asked for. */
  readonly sources: (Source | undefined)[];
  readonly system: Element | undefined;
  /** What every record is asked for. */
  readonly eventId: Source;
  readonly channel: Source;
  readonly provider: Source;
  readonly computer: Source;
  readonly recordId: Source;
  readonly time: Source;
  /** All unnamed `Data`. */
  readonly row: Source;
  /** A name of an EventData field is itself a value, so names cannot be resolved ahead. */
  readonly isOpen: boolean;
  /** Every text of the projection; made when a keyword rule first asks. */
  texts: readonly Source[] | undefined = undefined;
  /** Whether texts of the layout itself can contain a fragment of a gate. */
  readonly #gated = new WeakMap<TextGate, boolean>();
  readonly nodeCount: number;
  /** Nodes of the elements that one array could repeat; infinite where one may be inside another. */
  readonly repeatedNodes: number;
  readonly #named = new Map<string, Source[]>();
  #folded: Map<string, Source[]> | undefined;
  readonly #leaves = new Map<string, Source[]>();
  #fieldNames: readonly string[] | undefined;

  constructor(id: number, root: Element) {
    this.id = id;
    this.root = root;
    // Filled, because engines treat an array with holes as a slower kind.
    this.sources = id < 0 ? [] : new Array(fieldCount()).fill(undefined);
    this.nodeCount = countNodes(root);
    this.repeatedNodes = countRepeated(root);
    const system = childOf(root, "System");
    this.system = system;
    this.eventId = numberSource(childSource(system, "EventID"));
    this.channel = childSource(system, "Channel");
    this.provider = attributeSource(childOf(system, "Provider"), "Name");
    this.computer = childSource(system, "Computer");
    this.recordId = childSource(system, "EventRecordID");
    this.time = attributeSource(childOf(system, "TimeCreated"), "SystemTime");
    const positional: Source[] = [];
    let isOpen = false;
    for (const branch of elementsOf(root)) {
      if (branch === system || branch.name === "RenderingInfo") continue;
      if (branch.name !== "EventData") {
        for (const child of elementsOf(branch)) this.#addLeaves(child);
        continue;
      }
      for (const child of elementsOf(branch)) {
        if (child.name !== "Data") {
          this.#addLeaves(child);
          continue;
        }
        const name = attributeOf(child, "Name")?.content ?? [];
        if (name.some((leaf) => leaf.kind === "slot")) isOpen = true;
        const text = name.map(constantText).join("");
        if (text === "") positional.push(dataSource(child));
        else add(this.#named, text, dataSource(child));
      }
    }
    this.isOpen = isOpen;
    this.row = positional.length === 0 ? ABSENT_SOURCE : membersSource(ROW, positional);
  }

  /**
   * Whether what all records of the layout have in common can contain a fragment of `gate`. Texts
   * put together from several pieces are not looked at: they may.
   */
  mayContain(gate: TextGate): boolean {
    let known = this.#gated.get(gate);
    if (known === undefined) {
      this.texts ??= textSources(this.root);
      known = this.texts.some((source) =>
        source.kind !== SLOT &&
        (source.kind !== CONSTANT || someLeafText(source.value ?? null, scalarText, gate.test))
      );
      this.#gated.set(gate, known);
    }
    return known;
  }

  /** The names under which rules ask for what records of the layout have. */
  get fieldNames(): readonly string[] {
    return this.#fieldNames ??= [
      ...systemNames(this.system),
      ...this.#named.keys(),
      ...this.#leaves.keys(),
      ...(this.row === ABSENT_SOURCE ? [] : ["Data"]),
    ];
  }

  /** Finds the source of a field and remembers it. */
  resolve(field: Field): Source {
    const source = this.#find(field);
    this.sources[field.id] = source;
    return source;
  }

  #find(field: Field): Source {
    const { name, path } = field;
    if (path !== undefined && path.length > 1 && path[0]!.key === this.root.name) {
      return this.#findPath(field);
    }
    if (name === "EventID") return this.eventId;
    if (name === "Qualifiers") {
      return numberSource(attributeSource(childOf(this.system, "EventID"), "Qualifiers"));
    }
    if (SYSTEM_CHILDREN.has(name)) {
      const source = childSource(this.system, name);
      if (source !== ABSENT_SOURCE) return source;
    }
    const named = this.#named.get(name);
    if (named !== undefined) return listSource(named);
    this.#folded ??= foldKeys(this.#named);
    const folded = this.#folded.get(foldCase(name));
    const leaf = this.#leaves.get(name);
    const found = firstSource([
      this.#findSystemAttribute(name),
      folded === undefined ? ABSENT_SOURCE : listSource(folded),
      leaf === undefined ? ABSENT_SOURCE : listSource(leaf),
    ]);
    if (found !== ABSENT_SOURCE) return found;
    if (name === "Data") return this.row;
    if (name === "Message") {
      const rendering = childOf(this.root, "RenderingInfo");
      if (childOf(rendering, "Message") !== undefined) return childSource(rendering, "Message");
    }
    if (name === this.root.name) return pathSource(field);
    if (EVENT_BRANCHES.has(name) || (path !== undefined && EVENT_BRANCHES.has(path[0]!.key))) {
      return this.#findPath(internField(`${this.root.name}.${name}`));
    }
    return this.#findMember(field);
  }

  /** `Data[0]` and its like: an item of what the name without brackets gives. */
  #findMember({ path }: Field): Source {
    if (path === undefined || path.length !== 1) return ABSENT_SOURCE;
    const { key, indexes } = path[0]!;
    if (indexes.length === 0) return ABSENT_SOURCE;
    const whole = internField(key);
    const member = this.sources[whole.id] ?? this.resolve(whole);
    if (member === ABSENT_SOURCE) return ABSENT_SOURCE;
    const source = new Source(MEMBER);
    source.members = [member];
    source.indexes = indexes;
    return source;
  }

  #findSystemAttribute(name: string): Source {
    const provider = childOf(this.system, "Provider");
    if (name === "SourceName") {
      return firstSource([
        attributeSource(provider, "EventSourceName"),
        attributeSource(provider, "Name"),
      ]);
    }
    const place = SYSTEM_ATTRIBUTES.get(name);
    if (place === undefined) return ABSENT_SOURCE;
    const source = attributeSource(childOf(this.system, place[0]), place[1]);
    if (place[1] !== "Guid" || source === ABSENT_SOURCE) return source;
    return membersSource(BRACED, [source]);
  }

  /** The paths rules use, without building the projection; any other path walks it. */
  #findPath(field: Field): Source {
    const { path } = field;
    if (path === undefined || path.some(({ indexes }) => indexes.length > 0)) {
      return pathSource(field);
    }
    const [, branch, child, attributes, attribute] = path.map(({ key }) => key);
    if (branch === "EventData" && path.length === 3) {
      const data = elementsOf(this.root).filter(({ name }) => name === "EventData");
      const named = this.#named.get(child!);
      const clash = elementsOf(data[0] ?? this.root).some(({ name }) => name === child);
      if (data.length === 1 && named !== undefined && !clash) return listSource(named);
    }
    if (branch === "System" && this.system !== undefined) {
      const element = childOf(this.system, child ?? "");
      if (path.length === 3 && element !== undefined) {
        // The projection has an object here when there are Qualifiers; no rule means that.
        if (child === "EventID") return this.eventId;
        if (element.attributes.length === 0 && element.children.length === 1) {
          return childSource(this.system, child!);
        }
      }
      if (path.length === 5 && attributes === "#attributes" && element !== undefined) {
        return attributeSource(element, attribute!);
      }
    }
    return pathSource(field);
  }

  /** Remembers every element without elements inside, by its name, at any depth. */
  #addLeaves(element: Element): void {
    const inner = elementsOf(element);
    if (inner.length === 0) {
      add(this.#leaves, element.name, leavesSource(leavesOf(element), null));
    } else {
      for (const child of inner) this.#addLeaves(child);
    }
  }
}

/** Every leaf of the tree that the projection shows, as sources of text. */
export function textSources(root: Element): readonly Source[] {
  const sources: Source[] = [];
  const visit = (element: Element, isData: boolean): void => {
    const parts: (readonly Leaf[])[] = isData
      ? []
      : element.attributes.map(({ content }) => content);
    parts.push(leavesOf(element));
    for (const leaves of parts) {
      if (leaves.length > 0) sources.push(leavesSource(leaves, undefined));
    }
    const isContainer = element.name === "EventData" || element.name === "UserData";
    for (const child of elementsOf(element)) visit(child, isContainer && child.name === "Data");
  };
  visit(root, false);
  return sources;
}

/** How many elements, attributes and leaves a tree has. */
function countNodes(element: Element): number {
  let count = 1;
  for (const { content } of element.attributes) count += 1 + content.length;
  for (const child of element.children) count += child.kind === "element" ? countNodes(child) : 1;
  return count;
}

/** The most nodes that one more item in an array can add. */
function countRepeated(root: Element): number {
  const bySlot = new Map<number, number>();
  let isNested = false;
  const visit = (element: Element): void => {
    const inner = elementsOf(element);
    for (const leaf of leavesOf(element)) {
      if (leaf.kind !== "slot") continue;
      if (inner.length > 0) isNested = true;
      const slot = leaf.level * 65536 + leaf.index;
      bySlot.set(slot, (bySlot.get(slot) ?? 0) + countNodes(element));
    }
    inner.forEach(visit);
  };
  visit(root);
  return isNested ? Infinity : Math.max(0, ...bySlot.values());
}

function systemNames(system: Element | undefined): readonly string[] {
  if (system === undefined) return [];
  return elementsOf(system).flatMap((element) => [
    ...(element.children.length === 0 ? [] : [element.name]),
    ...element.attributes.map(({ name }) => {
      const place = `${element.name}.${name}`;
      return ATTRIBUTE_NAMES.get(place) ?? `Event.System.${place}`;
    }),
  ]);
}

function childSource(parent: Element | undefined, name: string): Source {
  const child = childOf(parent, name);
  return child === undefined ? ABSENT_SOURCE : leavesSource(leavesOf(child), null);
}

function attributeSource(element: Element | undefined, name: string): Source {
  const attribute = attributeOf(element, name);
  return attribute === undefined ? ABSENT_SOURCE : leavesSource(attribute.content, undefined);
}

function dataSource(element: Element): Source {
  if (elementsOf(element).length === 0) return leavesSource(leavesOf(element), "");
  const source = new Source(ELEMENT);
  source.element = element;
  return source;
}

function listSource(sources: readonly Source[]): Source {
  return sources.length === 1 ? sources[0]! : membersSource(LIST, sources);
}

/** An attribute that a template has can still be empty in a record, so the choice is the record's. */
function firstSource(sources: readonly Source[]): Source {
  const present = sources.filter((source) => source !== ABSENT_SOURCE);
  if (present.length === 0) return ABSENT_SOURCE;
  return present.length === 1 ? present[0]! : membersSource(FIRST, present);
}

/** Event ids of records without a template are text. */
function numberSource(source: Source): Source {
  if (source.kind !== CONSTANT || typeof source.value !== "string") return source;
  return /^\d{1,9}$/.test(source.value) ? constantSource(Number(source.value)) : source;
}

function constantText(leaf: Leaf): string {
  switch (leaf.kind) {
    case "text":
      return leaf.text;
    case "value":
      return leaf.xml;
    case "slot":
      return "";
  }
}

function add(map: Map<string, Source[]>, key: string, source: Source): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [source]);
  else known.push(source);
}

function foldKeys(map: ReadonlyMap<string, Source[]>): Map<string, Source[]> {
  const folded = new Map<string, Source[]>();
  for (const [key, sources] of map) {
    for (const source of sources) add(folded, foldCase(key), source);
  }
  return folded;
}

/** Lower case of ASCII letters only. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
