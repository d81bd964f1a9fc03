/**
 * The rules inside the executable.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeBundle, encodeBundle, readBundleHeader } from "../src/engine/bundle.ts";
import { bundledFile, readRuleFiles } from "../src/runtime/load_rules.ts";
import { assembleRules } from "../src/sigma/assemble.ts";
import type { ParsedFile } from "../src/sigma/parse.ts";
import { BUNDLE_NAME } from "./build_info.ts";

/** The file name that problems and results give for embedded rules. */
export const EMBEDDED_PATH = "(embedded)";

interface BunFiles {
  readonly embeddedFiles: readonly (Blob & { readonly name: string })[];
}

/** What `compile.sh` put into the executable; `undefined` when running from sources. */
export async function embeddedBundle(): Promise<Uint8Array | undefined> {
  const bun = (globalThis as { readonly Bun?: BunFiles }).Bun;
  const file = bun?.embeddedFiles.find(({ name }) => name.endsWith(BUNDLE_NAME));
  return file === undefined ? undefined : new Uint8Array(await file.arrayBuffer());
}

/** The embedded rules; from sources, those of `rules/`. */
export async function embeddedRules(): Promise<ParsedFile> {
  const bundle = await embeddedBundle();
  if (bundle !== undefined) return bundledFile(EMBEDDED_PATH, decodeBundle(bundle));
  const directory = fileURLToPath(new URL("../rules", import.meta.url));
  if (!existsSync(directory)) {
    return { path: EMBEDDED_PATH, rules: [], correlations: [], filters: [], problems: [] };
  }
  const { files } = readRuleFiles([directory]);
  return {
    path: EMBEDDED_PATH,
    rules: files.flatMap(({ rules }) => rules),
    correlations: files.flatMap(({ correlations }) => correlations),
    filters: files.flatMap(({ filters }) => filters),
    problems: files.flatMap(({ problems }) => problems),
  };
}

/** The embedded rules as a bundle, which from sources has to be made. */
export async function embeddedRulesBundle(): Promise<Uint8Array> {
  return await embeddedBundle() ?? encodeBundle(await embeddedRules(), 0, undefined, 1);
}

/** A line about the embedded rules, for `--version` and `rules bundle info`. */
export async function embeddedSummary(): Promise<string> {
  const bundle = await embeddedBundle();
  if (bundle === undefined) {
    return `${assembleRules([await embeddedRules()]).rules.length} rules (from sources)`;
  }
  const { rules, sha256 } = readBundleHeader(bundle);
  return `${rules} embedded rules, bundle ${sha256.slice(0, 12)}`;
}
