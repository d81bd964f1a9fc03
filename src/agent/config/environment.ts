/**
 * The layer of environment variables: `PICKET_API__ADDR` is `api.addr`.
 *
 * @see daemon.md, section 11.2
 */
import type { ConfigProblem } from "./problems.ts";
import { readYamlValue } from "./read_yaml.ts";
import type { Environment } from "./secret.ts";
import type { ConfigNode } from "./tree.ts";

const PREFIX = "PICKET_";
const OLD_PREFIX = "RSIGMA_";

/** One variable as a tree that holds nothing else. */
export interface EnvironmentSetting {
  readonly name: string;
  readonly path: readonly string[];
  readonly node: ConfigNode;
}

/**
 * The settings among the variables, by name.
 *
 * Levels are separated by `__`; names without it are not settings, except those of `topLevel`.
 * Values are YAML, so that they have types; empty ones say nothing.
 *
 * @param topLevel Keys of the top level.
 * @param compat Whether `RSIGMA_…` counts as well, with a warning each.
 */
export function environmentSettings(
  env: Environment,
  layer: number,
  topLevel: readonly string[],
  compat: boolean,
): { readonly settings: readonly EnvironmentSetting[]; readonly warnings: ConfigProblem[] } {
  const settings: EnvironmentSetting[] = [];
  const warnings: ConfigProblem[] = [];
  const prefixes = compat ? [OLD_PREFIX, PREFIX] : [PREFIX];
  for (const prefix of prefixes) {
    for (const name of Object.keys(env).sort()) {
      const value = env[name];
      const path = settingPath(name, prefix, topLevel);
      if (path === undefined || value === undefined) continue;
      const origin = { kind: "env", name } as const;
      settings.push({ name, path, node: readYamlValue(value, origin, layer) });
      if (prefix === OLD_PREFIX) {
        const suggestion = `write ${PREFIX}${name.slice(prefix.length)}`;
        const message = "old name of a setting";
        warnings.push({ severity: "warning", path: path.join("."), message, suggestion, origin });
      }
    }
  }
  return { settings, warnings };
}

function settingPath(
  name: string,
  prefix: string,
  topLevel: readonly string[],
): readonly string[] | undefined {
  if (!name.startsWith(prefix)) return undefined;
  const path = name.slice(prefix.length).toLowerCase().split("__");
  if (path.some((key) => key === "" || key === "__proto__")) return undefined;
  return path.length > 1 || topLevel.includes(path[0]!) ? path : undefined;
}
