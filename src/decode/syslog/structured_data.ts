/**
 * Structured data of syslog: `[id name="value" …]…`.
 *
 * @see inputs.md, section 6.1; RFC 5424, section 6.3
 */

/** `<sd-id>.<name>` and value, in the order of the line. */
export type StructuredFields = readonly (readonly [name: string, value: string])[];

const ELEMENT_ID = /[^\s="\]]+/y;
const PARAMETER = /([^\s="\]]+)= *"((?:[^"\\]|\\.)*)"/ys;

/**
 * `-` or `[id name="value" …]…` at `at`.
 *
 * @param isStrict RFC 5424: it must be there; a group that is malformed is skipped. Otherwise text
 *   that only looks like it belongs to the message.
 * @returns Where it ends; `undefined` if there is none.
 */
export function structuredData(
  text: string,
  at: number,
  isStrict: boolean,
): { readonly fields: StructuredFields; readonly end: number } | undefined {
  const fields: (readonly [string, string])[] = [];
  if (isStrict && text[at] === "-") return { fields, end: at + 1 };
  let end = at;
  while (text[end] === "[") {
    const group = structuredGroup(text, end);
    if (group === undefined || (!isStrict && group.fields.length === 0)) {
      if (!isStrict) return undefined;
      const close = text.indexOf("]", end);
      if (close < 0) return undefined;
      end = close + 1;
      continue;
    }
    fields.push(...group.fields);
    end = group.end;
  }
  return end === at ? undefined : { fields, end };
}

function structuredGroup(
  text: string,
  at: number,
): { readonly fields: StructuredFields; readonly end: number } | undefined {
  ELEMENT_ID.lastIndex = at + 1;
  const id = ELEMENT_ID.exec(text)?.[0];
  if (id === undefined) return undefined;
  const fields: (readonly [string, string])[] = [];
  let end = at + 1 + id.length;
  while (text[end] === " ") {
    while (text[end] === " ") end++;
    if (text[end] === "]") break;
    PARAMETER.lastIndex = end;
    const parameter = PARAMETER.exec(text);
    if (parameter === null) return undefined;
    fields.push([`${id}.${parameter[1]}`, unescape(parameter[2]!)]);
    end = PARAMETER.lastIndex;
  }
  return text[end] === "]" ? { fields, end: end + 1 } : undefined;
}

function unescape(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replace(
    /\\(["\]\\n])/g,
    (_, character: string) => character === "n" ? "\n" : character,
  );
}
