/** Lines of logfmt, CEF and LEEF, and what they say. */
import fc from "fast-check";

/** Names and texts in the order of the line. */
export type Fields = readonly (readonly [name: string, text: string])[];

export interface WrittenLine {
  readonly line: string;
  readonly fields: Fields;
}

/** Any text, with the characters that formats give a meaning to more often than chance has them. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(
    fc.constantFrom(
      '"',
      "\\",
      "=",
      "|",
      " ",
      "\t",
      "\n",
      "\r",
      "^",
      "a",
      "é",
      "😀",
      "n",
      "x=",
      "\0",
    ),
    { maxLength: 12 },
  ).map((parts) => parts.join("")),
);

/** Some text without the characters of `excluded`. */
function textWithout(excluded: RegExp): fc.Arbitrary<string> {
  return anyText.map((text) => text.replace(excluded, ""));
}

function nameWithout(excluded: RegExp, head: string): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom("src", "msg", "name", "cs1", "cs1Label", "eventId", "__proto__", "a.b"),
    textWithout(excluded).map((text) => head + text),
  );
}

/** A pair as logfmt writes it; a value with blanks or a quote in front must stand in quotes. */
function logfmtPair(name: string, text: string, quoted: boolean): string {
  if (text === "true" && !quoted) return name;
  if (!quoted && !/[ \t]|^"/.test(text)) return `${name}=${text}`;
  return `${name}="${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Pairs of logfmt, separated by blanks and tabs. */
export const logfmtLine: fc.Arbitrary<WrittenLine> = fc.array(
  fc.tuple(
    nameWithout(/[= \t]/g, "k"),
    fc.oneof(anyText, fc.constant("true")),
    fc.boolean(),
    fc.constantFrom(" ", "\t", "  \t"),
  ),
  { maxLength: 6 },
).map((pairs) => ({
  line: pairs.map(([name, text, quoted, blank]) => logfmtPair(name, text, quoted) + blank).join(""),
  fields: pairs.map(([name, text]) => [name, text] as const),
}));

function headerText(text: string): string {
  return text.replace(/[|\\]/g, "\\$&");
}

const CEF_HEADER = [
  "deviceVendor",
  "deviceProduct",
  "deviceVersion",
  "signatureId",
  "name",
  "severity",
];
const CEF_ESCAPES: Readonly<Record<string, string>> = {
  "=": "\\=",
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
};

/** CEF behind whatever stands before it; values have no blanks around them. */
export const cefLine: fc.Arbitrary<WrittenLine> = fc.tuple(
  fc.constantFrom("", "<134>Feb 14 19:04:54 fw ", "é "),
  fc.nat({ max: 0xffff_ffff }),
  fc.tuple(...CEF_HEADER.map(() => anyText)),
  fc.array(fc.tuple(nameWithout(/[\s=\\]/g, "k"), anyText.map((text) => text.trim()))),
).map(([before, version, header, extension]) => ({
  line: `${before}CEF:${version}|${header.map((text) => `${headerText(text)}|`).join("")}` +
    extension.map(([name, text]) =>
      `${name}=${text.replace(/[=\\\n\r]/g, (one) => CEF_ESCAPES[one]!)}`
    )
      .join(" "),
  fields: [
    ["cef_version", String(version)],
    ...CEF_HEADER.map((name, index) => [name, header[index]!] as const),
    ...extension,
  ],
}));

const LEEF_HEADER = ["deviceVendor", "deviceProduct", "deviceVersion", "eventId"];
/** Delimiters, each as the header writes it. */
const DELIMITERS: readonly (readonly [written: string, delimiter: string])[] = [
  ["", "\t"],
  ["^", "^"],
  ["x5E", "^"],
  ["0x5e", "^"],
  ["x7", "\x07"],
  ["x20AC", "€"],
  ["a", "a"],
];

/** LEEF of both versions; values have no blanks around them and no delimiter. */
export const leefLine: fc.Arbitrary<WrittenLine> = fc.tuple(
  fc.constantFrom("1.0", "2.0"),
  fc.constantFrom(...DELIMITERS),
  fc.tuple(...LEEF_HEADER.map(() => anyText)),
  fc.array(fc.tuple(nameWithout(/[\s=]/g, "k"), anyText)),
).map(([version, [written, named], header, attributes]) => {
  const delimiter = version === "1.0" ? "\t" : named;
  const without = (text: string) => text.replaceAll(delimiter, "");
  const kept = attributes.map(([name, text]) =>
    [`K${without(name)}`, without(text).trim()] as const
  );
  return {
    line: `LEEF:${version}|${header.map((text) => `${headerText(text)}|`).join("")}` +
      (version === "1.0" ? "" : `${written}|`) +
      // The last delimiter as well: else one attribute with blanks looks as if it were several.
      kept.map(([name, text]) => `${name}=${text}${delimiter}`).join(""),
    fields: [
      ["leef_version", version],
      ...LEEF_HEADER.map((name, index) => [name, header[index]!] as const),
      ...kept,
    ],
  };
});
