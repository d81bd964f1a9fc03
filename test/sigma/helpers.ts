/** Shorthands for tests of the rule front end. */
import assert from "node:assert/strict";
import { type ParsedFile, type ParseOptions, parseRules } from "../../src/sigma/parse.ts";
import type { Detection, DetectionRule, Item, Pattern } from "../../src/sigma/rule.ts";

/** A whole rule with `detection` as the text of its detection, written in flow style or indented. */
export function ruleText(detection: string, more = ""): string {
  return `title: T\n${more}detection: ${detection}\n`;
}

/** The one rule in `text`, which must have no problem. */
export function onlyRule(text: string, options?: ParseOptions): DetectionRule {
  const { rules, problems } = parseRules(text, "r.yml", options);
  assert.deepEqual(problems, []);
  assert.equal(rules.length, 1);
  return rules[0]!;
}

/** The detection of the first selection. */
export function detectionOf(text: string, options?: ParseOptions): Detection {
  return onlyRule(text, options).selections[0]!.detection;
}

/** The one item of a rule whose selection is the mapping entry `entry`: `F|contains: x`. */
export function itemOf(entry: string, options?: ParseOptions, more = ""): Item {
  const detection = detectionOf(itemRule(entry, more), options);
  assert.ok(detection.kind === "all_of" && detection.items.length === 1);
  return detection.items[0]!;
}

/** A rule whose selection `sel` holds `entry` alone. */
export function itemRule(entry: string, more = ""): string {
  return `title: T\n${more}detection:\n  sel:\n    ${entry}\n  condition: sel\n`;
}

/** `code message` of each error. */
export function errorsOf({ problems }: ParsedFile): readonly string[] {
  return problems.filter(({ severity }) => severity === "error")
    .map(({ code, message }) => `${code} ${message}`);
}

/** A pattern as one line: `contains a*b`, `cased`, `number 5`. */
export function show(pattern: Pattern): string {
  switch (pattern.kind) {
    case "string": {
      const tokens = pattern.tokens.map((token) => {
        switch (token.kind) {
          case "text":
            return JSON.stringify(token.text).slice(1, -1);
          case "any":
            return "<*>";
          case "one":
            return "<?>";
          case "dash":
            return "<->";
        }
      });
      return `${pattern.operator} '${tokens.join("")}'${pattern.cased ? " cased" : ""}`;
    }
    case "number":
      return `number ${pattern.text}`;
    case "boolean":
      return `boolean ${pattern.value}`;
    case "null":
      return "null";
    case "regex":
      return `regex ${pattern.source} ${pattern.flags}`;
    case "cidr":
      return `cidr ${pattern.network}`;
    case "exists":
      return `exists ${pattern.expected}`;
    case "fieldref":
      return `fieldref ${pattern.operator} ${pattern.field}${pattern.cased ? " cased" : ""}`;
    case "compare":
      return `${pattern.operator} ${pattern.text}`;
    case "timepart":
      return `${pattern.part} ${pattern.value}`;
    case "template": {
      const parts = pattern.parts.map((part) =>
        part.kind === "text" ? part.text : `<${part.field}>`
      );
      return `template ${pattern.operator} '${parts.join("")}'${pattern.cased ? " cased" : ""}`;
    }
    case "any":
      return `any(${pattern.patterns.map(show).join(", ")})`;
  }
}
