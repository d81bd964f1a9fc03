/**
 * The rules of `rules/` and their sample events, as the tests and the generator of
 * `docs/rules.md` read them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { parse } from "yaml";
import type { ValueObject } from "../../src/event/value.ts";
import { type ParsedFile, parseRules } from "../../src/sigma/parse.ts";

const RULES = new URL("../../rules/", import.meta.url);
const SAMPLES = new URL("samples/", import.meta.url);

/** One file of `rules/`. `path` is relative to it, with slashes. */
export interface RuleFile {
  readonly path: string;
  readonly text: string;
  readonly parsed: ParsedFile;
}

/** Events that a rule must match and events, close to them, that it must not. */
export interface Samples {
  readonly rule: string;
  readonly positive: readonly ValueObject[];
  readonly negative: readonly ValueObject[];
}

/** Every rule file, by path. */
export function readRules(): readonly RuleFile[] {
  const paths = readdirSync(RULES, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".yml"))
    .sort();
  return paths.map((path) => {
    const text = readFileSync(new URL(path, RULES), "utf8");
    return { path, text, parsed: parseRules(text, path) };
  });
}

/** The name of a rule's sample file: that of the rule without its directories. */
export function sampleName(rulePath: string): string {
  return basename(rulePath);
}

/** The names of all sample files. */
export function sampleNames(): readonly string[] {
  return readdirSync(SAMPLES).sort();
}

/** The samples of a rule; `undefined` if there is no such file. */
export function readSamples(name: string): Samples | undefined {
  const file = new URL(name, SAMPLES);
  return existsSync(file) ? parse(readFileSync(file, "utf8")) as Samples : undefined;
}
