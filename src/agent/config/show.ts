/**
 * The configuration for people: masked, and with the origin of each value.
 */
import { isSecretHeader } from "./cross_checks.ts";
import type { LoadedConfig } from "./load.ts";
import { originLabel } from "./problems.ts";
import { configSchema } from "./schema.ts";
import { mapLeaves } from "./schema_walk.ts";
import { type ConfigValue, type KeyPath, nodeOf, pathText, plainOf } from "./tree.ts";

export const MASK = "***";

/** What `GET /api/v1/config` and `picket config show` tell. */
export interface ConfigDescription {
  /** The effective configuration in its own words; loading it gives the same configuration. */
  readonly config: { readonly [key: string]: ConfigValue };
  /** By key path: `default`, `FILE:LINE`, `env NAME` or `flag`. */
  readonly sources: { readonly [path: string]: string };
}

/**
 * The effective configuration with secrets masked: user information and credentials in URLs, values
 * of headers that hold such. Names of variables and files with secrets stay.
 *
 * @param section Only this key of the top level.
 */
export function describeConfig(loaded: LoadedConfig, section?: string): ConfigDescription {
  const masked = maskedConfig(loaded);
  const config = section === undefined
    ? masked
    : Object.fromEntries(Object.entries(masked).filter(([key]) => key === section));
  const sources: Record<string, string> = {};
  for (const { path } of leavesOf(config)) {
    sources[pathText(path)] = originLabel(loaded.originOf(path));
  }
  return { config, sources };
}

function maskedConfig({ effective }: LoadedConfig): { readonly [key: string]: ConfigValue } {
  const tree = nodeOf(effective, { origin: { kind: "default" }, layer: 0 });
  const masked = mapLeaves(configSchema, tree, (leaf, kind, path) => {
    if (kind === "url" && typeof leaf.value === "string") {
      return { ...leaf, value: maskUrl(leaf.value) };
    }
    const name = String(path.at(-1));
    // `${ENV_VAR}` is a name, not a secret.
    const isReference = /^[^$]{0,10}\$\{[A-Z_][A-Z0-9_]*\}$/.test(String(leaf.value));
    return kind === "headers" && isSecretHeader(name) && !isReference
      ? { ...leaf, value: MASK }
      : leaf;
  });
  return plainOf(masked) as { readonly [key: string]: ConfigValue };
}

/**
 * A URL without what lets somebody in: user information, parameters that sound like secrets, and
 * the path of a chat service's hook, which is its password.
 */
export function maskUrl(written: string): string {
  return written
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${MASK}@`)
    .replace(/^(?![a-z][a-z0-9+.-]*:\/\/)[^/?#@]*:[^/?#@]*@/i, `${MASK}@`)
    .replace(
      /([?&][^=&#]*(?:token|key|secret|password|sig|auth|code)[^=&#]*=)[^&#$]+/gi,
      `$1${MASK}`,
    )
    .replace(
      /^(https?:\/\/(?:hooks\.[^/]+|[^/]*webhook[^/]*|discord(?:app)?\.com\/api\/webhooks)\/).+$/i,
      `$1${MASK}`,
    );
}

/** One value of a configuration. */
export interface Leaf {
  readonly path: KeyPath;
  readonly value: ConfigValue;
}

/** Everything that is set at once: values, lists of values, and what is empty. */
export function leavesOf(value: ConfigValue, path: KeyPath = []): readonly Leaf[] {
  if (typeof value !== "object" || value === null) return [{ path, value }];
  if (isList(value)) {
    const isPlain = value.every((member) => typeof member !== "object" || member === null);
    return isPlain
      ? [{ path, value }]
      : value.flatMap((member, at) => leavesOf(member, [...path, at]));
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return path.length === 0 ? [] : [{ path, value }];
  return entries.flatMap(([key, member]) =>
    member === undefined ? [] : leavesOf(member, [...path, key])
  );
}

function isList(value: object): value is readonly ConfigValue[] {
  return Array.isArray(value);
}
