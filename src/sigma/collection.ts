/**
 * The documents of one rule file after `action: global`, `reset` and `repeat`.
 *
 * @see sigma-rules.md, sections 2.2 and 2.3
 */
import { MAX_MERGE_DEPTH, type RuleLimits } from "./limits.ts";
import { ProblemLog, RuleError } from "./problems.ts";
import type { RuleProblem } from "./rule.ts";
import { didYouMean } from "./suggest.ts";
import {
  child,
  childText,
  readYaml,
  type YamlDocument,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
} from "./yaml.ts";

/** A document that should be a rule. */
export interface RuleDocument {
  /** With the global template, and for `repeat` the document before, merged in. */
  readonly map: YamlMap;
  /** Where to record what is wrong with it; names the rule already. */
  readonly log: ProblemLog;
}

export interface DocumentsOfFile {
  readonly documents: readonly RuleDocument[];
  /** Of documents that are no rules: syntax errors, unknown actions. */
  readonly problems: readonly RuleProblem[];
}

const ACTIONS = ["global", "reset", "repeat"];

/** Reads a file's documents. Nothing is thrown, whatever `text` is. */
export function readDocuments(text: string, path: string, limits: RuleLimits): DocumentsOfFile {
  if (text.length > limits.fileLength) {
    const log = new ProblemLog(path, 0, () => ({ line: 1, column: 1 }));
    const message = `rule file of ${text.length} characters; at most ${limits.fileLength} are ` +
      "read: split it";
    log.error("file_too_large", message, 0);
    return { documents: [], problems: log.problems };
  }
  const file = readYaml(text, limits);
  const documents: RuleDocument[] = [];
  const problems: RuleProblem[] = [];
  const actions = new ActionState();
  for (const document of file.documents) {
    const log = new ProblemLog(path, document.index, file.position);
    nameRule(document.root, log);
    const map = log.attempt(() => actions.apply(document));
    if (map === undefined) {
      problems.push(...log.problems);
    } else {
      nameRule(map, log);
      documents.push({ map, log });
    }
  }
  return { documents, problems };
}

function nameRule(root: YamlNode | undefined, log: ProblemLog): void {
  if (root?.kind !== "map") return;
  log.ruleId = childText(root, "id");
  log.ruleTitle = childText(root, "title");
}

class ActionState {
  #global: YamlMap | undefined;
  #previous: YamlMap | undefined;

  /**
   * The rule that a document makes, if it makes one.
   *
   * @throws {RuleError} If the document cannot be read or its action makes no sense.
   */
  apply(document: YamlDocument): YamlMap | undefined {
    if ("error" in document) throw document.error;
    const { root, at } = document;
    // A doubled or trailing `---` makes an empty document, which is no mistake.
    if (root === undefined || root.kind === "null") return undefined;
    if (root.kind !== "map") {
      throw new RuleError("not_a_mapping", "Document is not a YAML mapping: write key: value", at);
    }
    const action = child(root, "action");
    if (action === undefined) return this.#emit(root);
    const written = action.kind === "string" ? action.text : undefined;
    switch (written) {
      case "global":
        this.#global = withoutAction(root);
        return undefined;
      case "reset":
        this.#global = undefined;
        return undefined;
      case "repeat":
        return this.#repeat(root, action.at);
      case undefined: {
        const message = `action must be a string, one of ${ACTIONS.join(", ")}`;
        throw new RuleError("invalid_action", message, action.at);
      }
      default: {
        const hint = didYouMean(written, ACTIONS) || `; known are ${ACTIONS.join(", ")}`;
        const message = `Unknown collection action: ${written}${hint}`;
        throw new RuleError("invalid_action", message, action.at);
      }
    }
  }

  #repeat(root: YamlMap, at: number): YamlMap {
    if (this.#previous === undefined) {
      const message = "'action: repeat' without a previous document: put the rule to repeat " +
        "before it";
      throw new RuleError("repeat_without_previous", message, at);
    }
    return this.#emit(mergeMaps(this.#previous, withoutAction(root), 0));
  }

  #emit(map: YamlMap): YamlMap {
    const merged = this.#global === undefined ? map : mergeMaps(this.#global, map, 0);
    this.#previous = merged;
    return merged;
  }
}

function withoutAction(map: YamlMap): YamlMap {
  return { ...map, entries: map.entries.filter(({ key, isText }) => !isText || key !== "action") };
}

/**
 * Mappings merge key by key, `over` winning; everything else is replaced. Keys of `over` come
 * last, so the order of items can differ from the document they were first written in.
 */
function mergeMaps(base: YamlMap, over: YamlMap, depth: number): YamlMap {
  if (depth > MAX_MERGE_DEPTH) {
    const message = `YAML merge exceeds maximum depth (${MAX_MERGE_DEPTH})`;
    throw new RuleError("merge_too_deep", message, over.at);
  }
  const kept = new Map(base.entries.map((entry) => [entry.key, entry]));
  for (const entry of over.entries) {
    const before = kept.get(entry.key);
    kept.delete(entry.key);
    kept.set(entry.key, mergeEntry(before, entry, depth));
  }
  return { kind: "map", at: over.at, entries: [...kept.values()] };
}

function mergeEntry(base: YamlEntry | undefined, over: YamlEntry, depth: number): YamlEntry {
  if (base?.value.kind !== "map" || over.value.kind !== "map") return over;
  return { ...over, value: mergeMaps(base.value, over.value, depth + 1) };
}
