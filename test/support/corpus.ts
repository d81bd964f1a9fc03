/**
 * Where real data stands, if it does: `../shared/corpus` beside the project.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const CORPUS: string = fileURLToPath(new URL("../../../shared/corpus", import.meta.url));

/** For a test's options: skips it, saying why, where the corpus is absent. */
export function skipWithoutCorpus(): { readonly skip: string | false } {
  if (existsSync(CORPUS)) return { skip: false };
  const reason = "skipped: ../shared/corpus is absent";
  console.log(reason);
  return { skip: reason };
}
