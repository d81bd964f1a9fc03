/**
 * What is suspicious in a schema file that can be used.
 *
 * @see inputs.md, section 13.3
 */
import { BUILT_IN_ALIASES, BUILT_IN_SIGNATURES } from "./builtin.ts";
import { rankSignatures } from "./classifier.ts";
import type { SchemaConfig } from "./config.ts";
import type { SchemaProblem } from "./errors.ts";
import { describePredicate } from "./predicate.ts";

/**
 * Findings of `classify --check`, in the order of their lines.
 *
 * @param pipelineProblem Why there is no pipeline of this name or path; `undefined` if there is one.
 */
export function checkSchemaConfig(
  { signatures, routing }: SchemaConfig,
  pipelineProblem: (pipeline: string) => string | undefined,
): readonly SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  const known = new Set([...BUILT_IN_SIGNATURES, ...signatures].map(({ name }) => name));
  const contents = new Map<string, number>();
  const ranked = rankSignatures([...BUILT_IN_SIGNATURES, ...signatures])
    .map((signature) => ({ signature, texts: texts(signature) }));
  for (const signature of signatures) {
    const { name, line, specificity } = signature;
    const own = texts(signature);
    const key = JSON.stringify([name, specificity, [...own].sort()]);
    const before = contents.get(key);
    if (before !== undefined) {
      problems.push({ line, message: `schema '${name}' is the same as that of line ${before}` });
    } else contents.set(key, line);
    const winner = ranked.find(({ signature: other, texts: needed }) =>
      other.name !== name && other.specificity > specificity && isSubset(needed, own)
    );
    if (winner !== undefined) {
      const { name: other, specificity: higher } = winner.signature;
      problems.push({
        line,
        message: `schema '${name}' can never win: '${other}' (specificity ${higher}) matches ` +
          `all of its events`,
      });
    }
  }
  const bound = new Map<string, number>();
  for (const { schema, line, pipelines } of routing.bindings) {
    if (!known.has(schema)) {
      problems.push({ line, message: `binding to unknown schema '${schema}'` });
    }
    const before = bound.get(schema);
    if (before !== undefined) {
      problems.push({ line, message: `schema '${schema}' is bound already in line ${before}` });
    } else bound.set(schema, line);
    for (const pipeline of pipelines) {
      const message = pipelineProblem(pipeline);
      if (message !== undefined) problems.push({ line, message });
    }
  }
  for (const pipeline of routing.defaultPipelines) {
    const message = pipelineProblem(pipeline);
    if (message !== undefined) problems.push({ line: undefined, message });
  }
  for (const [alias, canonical] of routing.aliases) {
    const line = routing.aliasLines.get(alias);
    for (const name of [alias, canonical]) {
      if (!known.has(name) && !BUILT_IN_ALIASES.has(name)) {
        problems.push({ line, message: `alias '${alias}': unknown schema '${name}'` });
      }
    }
  }
  return problems.sort((left, right) => (left.line ?? 0) - (right.line ?? 0));
}

function texts(
  { predicates }: SchemaConfig["signatures"][number] | typeof BUILT_IN_SIGNATURES[number],
) {
  return new Set(predicates.map(describePredicate));
}

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  for (const one of part) if (!whole.has(one)) return false;
  return true;
}
