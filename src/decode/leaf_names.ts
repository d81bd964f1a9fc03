/**
 * The names of the fields that a value has, as rules may ask for them.
 *
 * A leaf's name is its path joined with dots. A list is a leaf by itself, an object only through what
 * is in it. Windows events in JSON answer to the flat names of Sigma, so these are their leaves, not
 * the places their values have.
 *
 * @see inputs.md, section 4
 */
import { MAX_EVENT_DEPTH } from "../event/lookup.ts";
import { isObject, type Value, type ValueObject } from "../event/value.ts";
import { SYSTEM_ATTRIBUTES } from "./windows_names.ts";

/**
 * Calls `visit` with the name of each leaf of `root` until it returns `true`; a name may come twice.
 *
 * @returns Whether a call returned `true`.
 */
export function someValueLeaf(root: Value, visit: (name: string) => boolean): boolean {
  if (!isObject(root)) return false;
  const event = root["Event"];
  if (isObject(event) && isObject(event["System"])) {
    return someWindowsLeaf(root, event, event["System"], visit);
  }
  const winlog = root["winlog"];
  if (isObject(winlog)) {
    for (const part of ["event_data", "user_data"]) {
      const data = winlog[part];
      if (isObject(data) && someMember(data, "", 0, visit)) return true;
    }
    return someMember(root, "", 0, visit, WINLOG_DATA);
  }
  return someMember(root, "", 0, visit);
}

/** They were visited under their own names. */
const WINLOG_DATA: ReadonlySet<string> = new Set(["winlog.event_data", "winlog.user_data"]);

function someMember(
  object: ValueObject,
  prefix: string,
  depth: number,
  visit: (name: string) => boolean,
  without?: ReadonlySet<string>,
): boolean {
  if (depth > MAX_EVENT_DEPTH) return false;
  for (const key of Object.keys(object)) {
    const value = object[key]!;
    const name = prefix + key;
    if (without?.has(name)) continue;
    if (isObject(value)) {
      if (someMember(value, `${name}.`, depth + 1, visit, without)) return true;
    } else if (visit(name)) return true;
  }
  return false;
}

/** The name that rules use most for each attribute in the System part, by `Element.Attribute`. */
export const ATTRIBUTE_NAMES: ReadonlyMap<string, string> = new Map(
  [...SYSTEM_ATTRIBUTES].toReversed().map(([name, [element, attribute]]) => [
    `${element}.${attribute}`,
    name,
  ]),
);

/** Where `evtx_dump` and our own projection put the parts of an event. */
function someWindowsLeaf(
  root: ValueObject,
  event: ValueObject,
  system: ValueObject,
  visit: (name: string) => boolean,
): boolean {
  for (const [key, value] of Object.entries(system)) {
    const beside = key.endsWith("_attributes") ? key.slice(0, -"_attributes".length) : undefined;
    const element = beside ?? key;
    const attributes = beside === undefined
      ? isObject(value) ? value["#attributes"] : undefined
      : value;
    if (isObject(attributes)) {
      for (const attribute of Object.keys(attributes)) {
        const place = `${element}.${attribute}`;
        if (visit(ATTRIBUTE_NAMES.get(place) ?? `Event.System.${place}`)) return true;
      }
    }
    if (beside === undefined && (!isObject(value) || Object.hasOwn(value, "#text"))) {
      if (visit(key)) return true;
    }
  }
  for (const [key, value] of Object.entries(event)) {
    if (key === "System" || key === "#attributes") continue;
    if (!isObject(value)) {
      if (value !== null && visit(`Event.${key}`)) return true;
    } else if (
      key === "EventData" ? someMember(value, "", 0, visit) : someElement(value, 0, visit)
    ) {
      return true;
    }
  }
  for (const key of Object.keys(root)) {
    if (key === "Event") continue;
    const value = root[key]!;
    if (isObject(value) ? someMember(value, `${key}.`, 1, visit) : visit(key)) return true;
  }
  return false;
}

/** Elements of `UserData` and the like answer to their own name, at whatever depth. */
function someElement(
  parent: ValueObject,
  depth: number,
  visit: (name: string) => boolean,
): boolean {
  if (depth > MAX_EVENT_DEPTH) return false;
  for (const [key, value] of Object.entries(parent)) {
    if (key === "#attributes" || key.endsWith("_attributes")) continue;
    if (isObject(value) && !Object.hasOwn(value, "#text")) {
      if (someElement(value, depth + 1, visit)) return true;
    } else if (visit(key)) return true;
  }
  return false;
}
