/**
 * What peers say of a file, brought to the form ours has.
 */
import type { Value } from "../../src/event/value.ts";
import { leaves } from "./evtx_projection.ts";
import type { XmlElement } from "./evtx_xml.ts";

/** One record of a peer: path and text of every value that is not empty. */
export interface Theirs {
  readonly id: string;
  readonly leaves: ReadonlyMap<string, string>;
}

const ITEM = /<string>(.*?)<\/string>/gs;

/**
 * python-evtx prints a string array as text, `<string>a</string>` line by line, where the element
 * around it should be repeated; this repeats it.
 */
export function expandStringArrays(element: XmlElement): XmlElement {
  return {
    ...element,
    children: element.children.flatMap((child): readonly (XmlElement | string)[] => {
      if (typeof child === "string") return [child];
      const [only] = child.children;
      if (child.children.length === 1 && typeof only === "string" && only.startsWith("<string>")) {
        return Array.from(only.matchAll(ITEM), ([, item]) => ({ ...child, children: [item!] }));
      }
      return [expandStringArrays(child)];
    }),
  };
}

/** The records of a JSON file that holds one object, an array, or objects one after another. */
export function companionRecords(json: string): readonly Theirs[] {
  return concatenated(json.replace(/^\ufeff/, "")).flatMap((value) =>
    Array.isArray(value) ? value as readonly Value[] : [value]
  ).map((value) => {
    const own = leaves(value);
    return { id: own.get("Event.System.EventRecordID") ?? "", leaves: own };
  });
}

function concatenated(json: string): readonly Value[] {
  const values: Value[] = [];
  let depth = 0;
  let from = 0;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (token === "{" || token === "[") {
      if (depth++ === 0) from = index;
    } else if ((token === "}" || token === "]") && --depth === 0) {
      values.push(JSON.parse(json.slice(from, index + 1)));
    }
  }
  return values;
}
