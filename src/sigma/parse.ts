/**
 * Rule files to checked rules, one file at a time.
 *
 * What the documents of a file say about each other's rules (references, filters, repeated ids)
 * is looked at when all files are there: see `assemble.ts`.
 */
import { readDocuments, type RuleDocument } from "./collection.ts";
import { parseCorrelation } from "./correlation.ts";
import { parseDetectionSection } from "./detection.ts";
import { parseLogsource, parseMetadata, ruleKind, texts } from "./metadata.ts";
import { type ParseOptions, type Reading, resolveLimits } from "./options.ts";
import { RuleError } from "./problems.ts";
import type {
  CorrelationRule,
  DetectionRule,
  FilterRule,
  RuleMetadata,
  RuleProblem,
} from "./rule.ts";
import { child, type YamlMap, type YamlNode } from "./yaml.ts";

export type { ParseOptions } from "./options.ts";

/** What one rule file holds. */
export interface ParsedFile {
  readonly path: string;
  readonly rules: readonly DetectionRule[];
  readonly correlations: readonly CorrelationRule[];
  readonly filters: readonly FilterRule[];
  readonly problems: readonly RuleProblem[];
}

type AnyRule = DetectionRule | CorrelationRule | FilterRule;

/**
 * Reads every document of a rule file.
 *
 * Nothing is thrown, whatever `text` is: a document with an error is missing from the result, and
 * `problems` says why, in the order of the file.
 *
 * @param path Named in problems and in each rule's origin; never opened.
 */
export function parseRules(text: string, path: string, options: ParseOptions = {}): ParsedFile {
  const limits = resolveLimits(options);
  const { documents, problems } = readDocuments(text, path, limits);
  return parseDocuments(documents, problems, path, options);
}

/** The second half of `parseRules`, for a caller that needs the documents as well. */
export function parseDocuments(
  documents: readonly RuleDocument[],
  fileProblems: readonly RuleProblem[],
  path: string,
  options: ParseOptions,
): ParsedFile {
  const rules: DetectionRule[] = [];
  const correlations: CorrelationRule[] = [];
  const filters: FilterRule[] = [];
  const problems = [...fileProblems];
  for (const document of documents) {
    const rule = parseDocument(document, options);
    problems.push(...document.log.problems);
    switch (rule?.kind) {
      case "detection":
        rules.push(rule);
        break;
      case "correlation":
        correlations.push(rule);
        break;
      case "filter":
        filters.push(rule);
        break;
      case undefined:
        break;
    }
  }
  problems.sort((a, b) => (a.document ?? 0) - (b.document ?? 0));
  return { path, rules, correlations, filters, problems };
}

function parseDocument({ map, log }: RuleDocument, options: ParseOptions): AnyRule | undefined {
  const kind = ruleKind(map);
  const metadata = parseMetadata(map, kind, options, log);
  if (metadata === undefined) return undefined;
  const { sigmaVersion } = metadata;
  const reading: Reading = { options, limits: resolveLimits(options), log, sigmaVersion };
  const rule = log.attempt((): AnyRule | undefined => {
    switch (kind) {
      case "detection":
        return parseDetectionRule(map, metadata, reading);
      case "filter":
        return parseFilterRule(map, metadata, reading);
      case "correlation":
        return parseCorrelation(map, metadata, reading);
    }
  });
  return log.errors === 0 ? rule : undefined;
}

function parseDetectionRule(
  map: YamlMap,
  metadata: RuleMetadata,
  reading: Reading,
): DetectionRule | undefined {
  const logsource = parseLogsource(child(map, "logsource"), reading.log);
  const detection = child(map, "detection");
  if (detection === undefined) {
    const message = "Missing required field 'detection': add selections and a condition";
    throw new RuleError("missing_field", message, map.at);
  }
  if (detection.kind !== "map") {
    const message = "Invalid detection: detection must be a mapping of selections and a condition";
    throw new RuleError("invalid_detection", message, detection.at);
  }
  const section = parseDetectionSection(detection, reading);
  if (logsource === undefined) return undefined;
  return { kind: "detection", ...metadata, logsource, ...section, filters: [] };
}

function parseFilterRule(
  map: YamlMap,
  metadata: RuleMetadata,
  reading: Reading,
): FilterRule | undefined {
  const written = child(map, "logsource");
  const logsource = parseLogsource(written, reading.log);
  const filter = child(map, "filter");
  if (filter?.kind !== "map") {
    const message = "Missing required field 'filter': it must be a mapping";
    throw new RuleError("missing_field", message, filter?.at ?? map.at);
  }
  if (filter.entries.every(({ key }) => key === "rules")) {
    const message = "Missing required field 'filter.selection': add selections and a condition";
    throw new RuleError("missing_field", message, filter.at);
  }
  const section = parseDetectionSection(filter, reading, ["rules"]);
  return {
    kind: "filter",
    ...metadata,
    ...(written === undefined || logsource === undefined ? {} : { logsource }),
    targets: filterTargets(child(filter, "rules")),
    ...section,
  };
}

/** Empty for every rule: `any` in any letter case, nothing, or nothing usable. */
function filterTargets(node: YamlNode | undefined): readonly string[] {
  if (node?.kind === "string" && node.text.toLowerCase() === "any") return [];
  return texts(node);
}
