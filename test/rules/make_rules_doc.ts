/**
 * Writes `docs/rules.md`, the table of the rules that Picket ships.
 *
 * Run it after a change in `rules/`: `bun test/rules/make_rules_doc.ts`. `samples.test.ts` fails
 * while the page is behind.
 */
import { writeFileSync } from "node:fs";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import type { DetectionRule, Logsource } from "../../src/sigma/rule.ts";
import { LEVELS } from "../../src/sigma/rule.ts";
import { readRules } from "./rule_files.ts";

export const RULES_DOC = new URL("../../docs/rules.md", import.meta.url);

const INTRODUCTION = `# The rules Picket ships

These are Picket's own Sigma rules. They are built into the executable and run unless other rules are
named. Each was written for few false alarms on ordinary machines; what is left is listed under
\`falsepositives\` in the rule. Sample events that each rule must and must not match stand in
\`test/rules/samples\`.

The table is made from the rule files: \`bun test/rules/make_rules_doc.ts\`.
`;

/** The page's text for these rules, in their order within each product. */
export function rulesDoc(rules: readonly DetectionRule[]): string {
  const products = [...new Set(rules.map(({ logsource }) => logsource.product ?? "any"))].sort();
  const sections = products.map((product) => {
    const own = rules.filter(({ logsource }) => (logsource.product ?? "any") === product);
    return `## ${heading(product)} (${own.length})\n\n${table(own)}`;
  });
  return `${INTRODUCTION}\n${summary(rules)}\n\n${sections.join("\n\n")}\n`;
}

function summary(rules: readonly DetectionRule[]): string {
  const counts = LEVELS.map((level) => ({
    level,
    count: rules.filter((rule) => rule.level === level).length,
  }));
  const levels = counts.filter(({ count }) => count > 0).reverse()
    .map(({ level, count }) => `${count} ${level}`);
  return `${rules.length} rules: ${levels.join(", ")}.`;
}

function table(rules: readonly DetectionRule[]): string {
  const rows = rules.map((rule) =>
    row([
      `[${rule.title}](../rules/${rule.origin.path})`,
      rule.level ?? "",
      source(rule.logsource),
      techniques(rule).join(", "),
    ])
  );
  return [row(["Rule", "Level", "Log source", "Techniques"]), "| --- | --- | --- | --- |", ...rows]
    .join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** What has to be collected for the rule: its category, its service, or the channel it names. */
function source({ category, service, definition }: Logsource): string {
  return category ?? service ?? definition ?? "";
}

/** ATT&CK techniques as links, in the order of the tags. */
function techniques({ tags }: DetectionRule): readonly string[] {
  return tags.flatMap((tag) => {
    const id = /^attack\.(t\d{4}(?:\.\d{3})?)$/.exec(tag)?.[1]?.toUpperCase();
    if (id === undefined) return [];
    return [`[${id}](https://attack.mitre.org/techniques/${id.replace(".", "/")}/)`];
  });
}

function heading(product: string): string {
  return product.charAt(0).toUpperCase() + product.slice(1);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(RULES_DOC, rulesDoc(readRules().flatMap(({ parsed }) => parsed.rules)));
}
