/**
 * What a right configuration may still lack on this machine: files that are not there, secrets that
 * are not set. Hints for `picket doctor` and `picket config validate`, not errors: a log may appear later.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import type { LoadedConfig } from "./load.ts";
import type { ConfigProblem } from "./problems.ts";
import type { Environment } from "./secret.ts";
import { leavesOf } from "./show.ts";
import { type KeyPath, pathText } from "./tree.ts";

/** Looks at the file system and the environment; never throws. */
export function configHints(loaded: LoadedConfig, env: Environment): readonly ConfigProblem[] {
  const hints: ConfigProblem[] = [];
  for (const { path, value } of leavesOf(loaded.effective)) {
    const texts = Array.isArray(value) ? value : [value];
    for (const text of texts) {
      if (typeof text !== "string") continue;
      const message = hintFor(path, text, env);
      if (message === undefined) continue;
      const origin = loaded.originOf(path);
      hints.push({ severity: "warning", path: pathText(path), message, origin });
    }
  }
  return hints;
}

/** Keys of files that must be there when the agent starts. */
const READ_KEYS = new Set([
  "bundle_key",
  "ca",
  "cert",
  "client_ca",
  "creds_file",
  "jwt_file",
  "key",
  "root",
]);

function hintFor(path: KeyPath, text: string, env: Environment): string | undefined {
  const key = lastName(path);
  if (key.endsWith("_env")) {
    return env[text] ? undefined : `environment variable ${text} is unset or empty`;
  }
  const [section, , third] = path;
  // The token store is made when it is missing.
  const isToken = section === "api" && key === "token_file" && path.length === 2;
  if (isToken) return undefined;
  if (READ_KEYS.has(key) || key.endsWith("_file")) return readable(text);
  if (section === "rules" && key === "paths") return readable(text);
  if (section === "webhooks") return readable(text);
  if (section === "sources" && third === "paths") {
    return /[*?{[]/.test(text) ? undefined : readable(text);
  }
  const isWritten = (section === "sinks" && key === "path") ||
    (section === "log" && key === "path") || (section === "state" && key === "path");
  return isWritten ? creatable(text) : undefined;
}

function lastName(path: KeyPath): string {
  return String(path.findLast((step) => typeof step === "string") ?? "");
}

function readable(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    const { code } = error as { readonly code?: string };
    return code === "ENOENT" ? `${path} does not exist` : `${path} cannot be read: ${code ?? ""}`;
  }
}

/** Whether a file could be made, with the directories on the way to it. */
function creatable(path: string): string | undefined {
  let directory = dirname(path);
  for (;;) {
    try {
      if (!statSync(directory).isDirectory()) return `${directory} is no directory`;
      accessSync(directory, constants.W_OK);
      return undefined;
    } catch (error) {
      const parent = dirname(directory);
      if ((error as { readonly code?: string }).code !== "ENOENT" || parent === directory) {
        return `${directory} cannot be written to`;
      }
      directory = parent;
    }
  }
}
