/** Unicode property names, loosely written as the Rust `regex` crate allows, to native ones. */
import { type CharSet, MAX_CODE_POINT, range } from "./charset.ts";

/** What UAX #44 loose matching ignores: case, blanks, underscores, hyphens. */
const loose = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, "");

// ECMA-262, tables "Binary Unicode property aliases" and "Value aliases for General_Category".
const CATEGORIES = "Cased_Letter Close_Punctuation Connector_Punctuation Control Currency_Symbol " +
  "Dash_Punctuation Decimal_Number Enclosing_Mark Final_Punctuation Format Initial_Punctuation " +
  "Letter Letter_Number Line_Separator Lowercase_Letter Mark Math_Symbol Modifier_Letter " +
  "Modifier_Symbol Nonspacing_Mark Number Open_Punctuation Other Other_Letter Other_Number " +
  "Other_Punctuation Other_Symbol Paragraph_Separator Private_Use Punctuation Separator " +
  "Space_Separator Spacing_Mark Symbol Titlecase_Letter Unassigned Uppercase_Letter " +
  "LC Pe Pc Cc Sc Pd Nd Me Pf Cf Pi L Nl Zl Ll M Sm Lm Sk Mn N Ps C Lo No Po So Zp Co P Z Zs Mc S " +
  "Lt Cn Lu cntrl digit punct Combining_Mark";
const BINARIES = "ASCII ASCII_Hex_Digit AHex Alphabetic Alpha Any Assigned Bidi_Control Bidi_C " +
  "Bidi_Mirrored Bidi_M Case_Ignorable CI Cased Changes_When_Casefolded CWCF " +
  "Changes_When_Casemapped CWCM Changes_When_Lowercased CWL Changes_When_NFKC_Casefolded CWKCF " +
  "Changes_When_Titlecased CWT Changes_When_Uppercased CWU Dash Default_Ignorable_Code_Point DI " +
  "Deprecated Dep Diacritic Dia Emoji Emoji_Component Emoji_Modifier Emoji_Modifier_Base " +
  "Emoji_Presentation Extended_Pictographic Extender Ext Grapheme_Base Gr_Base Grapheme_Extend " +
  "Gr_Ext Hex_Digit Hex IDS_Binary_Operator IDSB IDS_Trinary_Operator IDST ID_Continue IDC " +
  "ID_Start IDS Ideographic Ideo Join_Control Join_C Logical_Order_Exception LOE Lowercase Lower " +
  "Math Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn Pattern_White_Space Pat_WS " +
  "Quotation_Mark QMark Radical Regional_Indicator RI Sentence_Terminal STerm Soft_Dotted SD " +
  "Terminal_Punctuation Term Unified_Ideograph UIdeo Uppercase Upper Variation_Selector VS " +
  "White_Space space XID_Continue XIDC XID_Start XIDS";

let names: Map<string, string> | undefined;

function strictName(name: string): string | undefined {
  if (names === undefined) {
    names = new Map();
    // Categories go last: where a short name is both, the crate takes the category.
    for (const strict of `${BINARIES} ${CATEGORIES}`.split(" ")) names.set(loose(strict), strict);
  }
  return names.get(loose(name));
}

function supported(expression: string): boolean {
  try {
    new RegExp(`\\p{${expression}}`, "v");
    return true;
  } catch {
    return false;
  }
}

/** `script` with each of its words capitalised, as native script names are written. */
function scriptName(script: string): string {
  return script.toLowerCase().split(/[\s_-]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("_");
}

/**
 * Resolves what stands between the braces of `\p{}`.
 *
 * @returns `undefined` if no native property has that name.
 */
export function resolveProperty(
  text: string,
): { readonly set: CharSet; readonly negated: boolean } | undefined {
  const parts = /^(\^?)([\w\s-]+?)(?:(=|:|!=)([\w\s-]+))?$/.exec(text);
  if (parts === null) return undefined;
  const [, caret, first, relation, second] = parts;
  const negated = (caret === "^") !== (relation === "!=");
  const expression = second === undefined ? bareExpression(first!) : pair(loose(first!), second);
  if (expression === undefined || !supported(expression)) return undefined;
  const set: CharSet = expression === "Any"
    ? range(0, MAX_CODE_POINT)
    : { kind: "property", expression };
  return { set, negated };
}

function bareExpression(name: string): string {
  return strictName(name) ?? `Script=${scriptName(name)}`;
}

function pair(property: string, value: string): string | undefined {
  switch (property) {
    case "gc":
    case "generalcategory":
      return `General_Category=${strictName(value) ?? value}`;
    case "sc":
    case "script":
      return `Script=${scriptName(value)}`;
    case "scx":
    case "scriptextensions":
      return `Script_Extensions=${scriptName(value)}`;
    default:
      return undefined;
  }
}
