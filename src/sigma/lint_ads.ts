/**
 * Lint of alert documentation: what an analyst who gets the alert needs to know ("ADS", the
 * Alerting and Detection Strategy framework). Opt-in.
 *
 * @see sigma-rules.md, sections 21 and 25, group "ADS"
 */
import type { LintRuleId } from "./lint_catalogue.ts";
import type { Report } from "./lint.ts";
import { didYouMean } from "./suggest.ts";
import { child, childText, type YamlMap, type YamlNode } from "./yaml.ts";

export interface AdsOptions {
  /** Rules of these statuses must be documented. Default: `stable`. */
  readonly enforceStatus?: readonly string[];
  /** The sections that must be there. Default: all. */
  readonly required?: readonly string[];
}

/** Where each section stands: a standard key of the rule, or an attribute `rsigma.ads.<name>`. */
const SECTIONS = [
  ["goal", "ads_missing_goal", "description"],
  ["categorization", "ads_missing_categorization", "tags"],
  ["strategy", "ads_missing_strategy", undefined],
  ["technical_context", "ads_missing_technical_context", undefined],
  ["blind_spots", "ads_missing_blind_spots", undefined],
  ["false_positives", "ads_missing_false_positives", "falsepositives"],
  ["validation", "ads_missing_validation", undefined],
  ["response", "ads_missing_response", undefined],
  ["priority", "ads_missing_priority", undefined],
] as const satisfies readonly (readonly [string, LintRuleId, string | undefined])[];

const PREFIX = /^(?:rsigma|picket)\.ads\.(.*)$/;

export function lintAds(map: YamlMap, options: AdsOptions, report: Report): void {
  const attributes = adsAttributes(map);
  const exempt = attributes.get("exempt");
  if (exempt?.kind === "boolean" && exempt.value) return;
  const known = [...SECTIONS.map(([name]) => name), "exempt"];
  for (const [name, node] of attributes) {
    if (!known.includes(name)) {
      const message = `unknown section '${name}'${didYouMean(name, known)}`;
      report("ads_unknown_section", message, node.at, `rsigma.ads.${name}`);
    } else if (isEmpty(node)) {
      report("ads_empty_section", `section '${name}' is empty`, node.at, `rsigma.ads.${name}`);
    }
  }
  const enforced = options.enforceStatus ?? ["stable"];
  if (!enforced.includes(childText(map, "status") ?? "")) return;
  for (const [name, rule, key] of SECTIONS) {
    if (options.required !== undefined && !options.required.includes(name)) continue;
    const node = key === undefined ? attributes.get(name) : child(map, key);
    if (node !== undefined && !isEmpty(node)) continue;
    report(
      rule,
      `document the ${name.replace("_", " ")} in ${key ?? `rsigma.ads.${name}`}`,
      map.at,
    );
  }
}

function adsAttributes(map: YamlMap): ReadonlyMap<string, YamlNode> {
  const nested = child(map, "custom_attributes");
  const entries = [...map.entries, ...(nested?.kind === "map" ? nested.entries : [])];
  return new Map(entries.flatMap(({ key, value }) => {
    const name = PREFIX.exec(key)?.[1];
    return name === undefined ? [] : [[name, value] as const];
  }));
}

function isEmpty(node: YamlNode): boolean {
  switch (node.kind) {
    case "null":
      return true;
    case "string":
      return node.text.trim() === "";
    case "list":
      return node.items.every(isEmpty);
    case "map":
      return node.entries.length === 0;
    case "integer":
    case "float":
    case "boolean":
      return false;
  }
}
