/** XML documents, and Windows events in XML. */
import fc from "fast-check";
import type { XmlElement } from "../../src/decode/xml_reader.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[<>&"']/g, (character) => ESCAPES[character]!);
}

/** How a text is written: escaped, as CDATA, in pieces with a comment between. */
type Style = "escaped" | "cdata" | "comment" | "hex";

function textOf(text: string, style: Style): string {
  switch (style) {
    case "escaped":
      return escape(text);
    case "cdata":
      return text === "" ? "" : `<![CDATA[${text.replaceAll("]]>", "]]]]><![CDATA[>")}]]>`;
    case "comment":
      return `${escape(text.slice(0, 2))}<!-- <no> -->${escape(text.slice(2))}`;
    case "hex":
      return escape(text).replace(
        /[^\0-\x7f]/gu,
        (character) => {
          const code = character.codePointAt(0)!;
          return code >= 0xd800 && code < 0xe000 ? character : `&#x${code.toString(16)};`;
        },
      );
  }
}

const style = fc.constantFrom<Style>("escaped", "cdata", "comment", "hex");
const anyText = fc.string({ unit: "binary", maxLength: 12 });
const nameText = fc.constantFrom("a", "Data", "b:c", "é", "_x", "D-1.2", "__proto__");

/** A document and the element it says. */
export interface WrittenXml {
  readonly xml: string;
  readonly element: XmlElement;
}

/** Any document; elements with children have no text of their own. */
export const xmlDocument: fc.Arbitrary<WrittenXml> = fc.letrec<{ readonly node: WrittenXml }>(
  (tie) => ({
    node: fc.tuple(
      nameText,
      fc.array(fc.tuple(nameText, anyText, fc.constantFrom('"', "'")), { maxLength: 3 }),
      fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.tuple(anyText, style).map(([text, how]) => ({ text, inner: textOf(text, how) })),
        fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
      ),
    ).map(([name, attributes, content]) => {
      const isLeaf = !Array.isArray(content);
      const head = `${name}${
        attributes.map(([key, text, quote]) => ` ${key} =${quote}${escape(text)}${quote}`).join("")
      }`;
      const inner = isLeaf ? content.inner : ` ${content.map(({ xml }) => xml).join("\n")}`;
      return {
        xml: inner === "" ? `<${head}/>` : `<${head} >${inner}</${name}>`,
        element: {
          name,
          attributes: attributes.map(([key, text]) => [key, text] as const),
          children: isLeaf ? [] : content.map(({ element }) => element),
          text: isLeaf ? content.text : "",
        },
      };
    }),
  }),
).node;

/** A Windows event with this `EventData`. */
export function windowsEventXml(data: readonly (readonly [name: string, text: string])[]): string {
  return "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>" +
    "<Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385F-C22A-43E0-BF4C-06F5698FFBD9}'/>" +
    "<EventID>1</EventID><Version>5</Version><Level>4</Level><Task>1</Task><Opcode>0</Opcode>" +
    "<Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2020-01-01T00:00:00.000Z'/>" +
    "<EventRecordID>9007199254740993</EventRecordID><Correlation/>" +
    "<Execution ProcessID='3112' ThreadID='4072'/>" +
    "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>host</Computer>" +
    "<Security UserID='S-1-5-18'/></System><EventData>" +
    data.map(([name, text]) => `<Data Name='${escape(name)}'>${escape(text)}</Data>`).join("") +
    "</EventData></Event>";
}

/** The names and texts of an `EventData`, each name once. */
export const eventData: fc.Arbitrary<readonly (readonly [name: string, text: string])[]> = fc
  .uniqueArray(
    fc.tuple(fc.oneof(nameText, anyText).map((name) => `x${name}`), anyText),
    { selector: ([name]) => name, maxLength: 5 },
  );
