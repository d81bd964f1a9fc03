/**
 * Loads the configuration: flags over environment over files over defaults.
 *
 * @see daemon.md, section 11
 */
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { crossCheck } from "./cross_checks.ts";
import { absolutePath, defaultStatePath, findConfigFiles, type Surroundings } from "./discover.ts";
import { type EnvironmentSetting, environmentSettings } from "./environment.ts";
import { ConfigError, type ConfigProblem, problemText } from "./problems.ts";
import { readYamlFile } from "./read_yaml.ts";
import { type CheckedConfig, configSchema } from "./schema.ts";
import { sizeBytes } from "./schema_values.ts";
import { OTHER_SECTIONS } from "./schema_daemon.ts";
import type { Environment } from "./secret.ts";
import { withAbsolutePaths, withDefaultIds } from "./normalize.ts";
import { toSettings } from "./settings.ts";
import { translate } from "./translate.ts";
import {
  type ConfigNode,
  type ConfigValue,
  type KeyPath,
  mergeNodes,
  nodeAt,
  nodeOf,
  type Origin,
  withNode,
} from "./tree.ts";
import type { AgentConfig } from "./types.ts";
import { validate } from "./validate.ts";

export interface LoadConfigOptions {
  /** `--config`: read this file and no other. */
  readonly configPath?: string;
  /** What the command line set, in the words of the configuration: `{api: {addr: "…"}}`. */
  readonly flags?: { readonly [key: string]: ConfigValue | undefined };
  /** Default: `process.env`. */
  readonly env?: Environment;
  /** `--compat-env`: accept `RSIGMA_…` variables as well. */
  readonly compatEnv?: boolean;
  /** Default: this process's. */
  readonly around?: Partial<Omit<Surroundings, "env">>;
}

/** A configuration that can be used, and where it came from. */
export interface LoadedConfig {
  readonly config: AgentConfig;
  /** The files that were read, the one that counts least first. */
  readonly files: readonly string[];
  readonly warnings: readonly ConfigProblem[];
  /** The configuration in its own words, with defaults; secrets are not in it. */
  readonly effective: CheckedConfig;
  /** Where the value at a key path of `effective` was set. */
  originOf(path: KeyPath): Origin;
}

/**
 * Loads, merges and checks the configuration.
 *
 * @throws {ConfigError} With everything that is wrong; never anything else.
 */
export function loadConfig(options: LoadConfigOptions = {}): LoadedConfig {
  const around = surroundings(options);
  const files = configFiles(options, around);
  const warnings: ConfigProblem[] = [];
  let root: ConfigNode = nodeOf({}, { origin: { kind: "default" }, layer: 0 });
  files.forEach((file, at) => {
    const read = readYamlFile(file, at + 1);
    warnings.push(...read.warnings);
    if (read.root !== undefined) root = mergeNodes(root, read.root);
  });
  const { settings, warnings: oldNames } = environmentSettings(
    around.env,
    ENV_LAYER,
    TOP_LEVEL,
    options.compatEnv ?? false,
  );
  warnings.push(...oldNames);
  const flags = nodeOf(options.flags ?? {}, { origin: { kind: "flag" }, layer: FLAG_LAYER });
  return build(root, settings, flags, around, files, warnings);
}

const ENV_LAYER = 1000;
const FLAG_LAYER = 1001;
const TOP_LEVEL = [...Object.keys(configSchema.shape), "daemon", ...Object.keys(OTHER_SECTIONS)];

/** This process's surroundings, with what the options change. */
export function surroundings(options: LoadConfigOptions = {}): Surroundings {
  return {
    cwd: process.cwd(),
    home: homedir(),
    platform: process.platform,
    isPrivileged: isPrivileged(),
    ...options.around,
    env: options.env ?? process.env,
  };
}

/** SYSTEM's user name ends with `$`, as those of machine accounts do. */
function isPrivileged(): boolean {
  return process.platform === "win32"
    ? (process.env["USERNAME"] ?? "").endsWith("$")
    : process.getuid?.() === 0;
}

/** The files that `loadConfig` reads. */
export function configFiles(
  options: LoadConfigOptions,
  around: Surroundings = surroundings(options),
): readonly string[] {
  return options.configPath === undefined
    ? findConfigFiles(around)
    : [absolutePath(options.configPath, around.cwd, around)];
}

/**
 * Checks the merged whole. A variable that does not fit is left out with a warning, each by itself:
 * a stray one must not keep the agent from starting.
 */
function build(
  files: ConfigNode,
  settings: readonly EnvironmentSetting[],
  flags: ConfigNode,
  around: Surroundings,
  paths: readonly string[],
  warnings: ConfigProblem[],
): LoadedConfig {
  let used = settings;
  for (;;) {
    let root = files;
    for (const { path, node } of used) {
      root = mergeNodes(root, withNode({ ...EMPTY, layer: node.layer }, path, node));
    }
    const translated = translate(mergeNodes(root, flags));
    const own = withDefaultIds(withAbsolutePaths(translated.root, around));
    const errors = translated.problems.filter(({ severity }) => severity === "error");
    const checked = validate(configSchema, own);
    // A text that is no source is no mapping either; the first says it better.
    const told = new Set(errors.map(({ path }) => path));
    errors.push(...checked.problems.filter(({ path }) => !told.has(path)));
    const unfit = new Map<string, ConfigProblem>();
    for (const error of errors) {
      if (error.origin.kind !== "env" || unfit.has(error.origin.name)) continue;
      unfit.set(error.origin.name, error);
    }
    if (unfit.size > 0) {
      for (const [name, { path, message, suggestion }] of unfit) {
        const reason = problemText({
          severity: "warning",
          path,
          message,
          origin: { kind: "default" },
          ...(suggestion === undefined ? {} : { suggestion }),
        });
        warnings.push({
          severity: "warning",
          path: "",
          message: `ignoring environment variable ${name}: ${reason}`,
          origin: { kind: "default" },
        });
      }
      used = used.filter(({ name }) => !unfit.has(name));
      continue;
    }
    if (checked.data === undefined || errors.length > 0) {
      throw new ConfigError("CONFIG_INVALID", errors);
    }
    warnings.push(...translated.problems.filter(({ severity }) => severity === "warning"));
    return finish(checked.data, own, around, paths, warnings);
  }
}

const EMPTY: ConfigNode = {
  kind: "map",
  origin: { kind: "default" },
  layer: 0,
  entries: new Map(),
};

function finish(
  data: CheckedConfig,
  root: ConfigNode,
  around: Surroundings,
  files: readonly string[],
  warnings: readonly ConfigProblem[],
): LoadedConfig {
  const statePath = defaultStatePath(around);
  const { nats, variable } = natsFromEnvironment(data, around.env);
  const { enabled, addr, tls, auth, ...otherApi } = data.api;
  // In the order of the schema, so that what is shown has one order.
  const effective = {
    ...data,
    nats,
    state: { path: statePath, ...data.state },
    api: {
      enabled,
      addr,
      tls,
      auth,
      token_file: join(dirname(data.state.path ?? statePath), "tokens.json"),
      ...otherApi,
    },
  };
  const found = crossCheck(effective, root, around.env);
  const errors = found.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new ConfigError("CONFIG_INVALID", errors);
  const originOf = (path: KeyPath): Origin => {
    const node = nodeAt(root, path);
    if (node !== undefined) return node.origin;
    const isBorrowed = variable !== undefined && path[0] === "nats" && path[1] === "auth";
    return isBorrowed ? { kind: "env", name: variable } : { kind: "default" };
  };
  const { egress } = effective;
  const config = toSettings(effective, {
    env: around.env,
    nats: effective.nats,
    egress: {
      policy: egress.policy,
      allowHosts: egress.allow_hosts,
      denyHosts: egress.deny_hosts,
      allowCidrs: egress.allow_cidrs,
      denyCidrs: egress.deny_cidrs,
      allowPorts: egress.allow_ports,
    },
    maxLineBytes: sizeBytes(effective.limits.max_line_bytes) ?? 0,
    statePath,
    originOf,
  });
  return { config, files, warnings: [...warnings, ...found], effective, originOf };
}

/**
 * rsigma's variables for NATS credentials, where the configuration names none.
 *
 * @see daemon.md, section 11.3
 */
function natsFromEnvironment(
  data: CheckedConfig,
  env: Environment,
): { readonly nats: CheckedConfig["nats"]; readonly variable?: string } {
  const { nats } = data;
  if (nats.auth !== undefined) return { nats };
  const creds = env["NATS_CREDS"];
  if (creds) return { nats: { ...nats, auth: { creds_file: creds } }, variable: "NATS_CREDS" };
  if (env["NATS_TOKEN"]) {
    return { nats: { ...nats, auth: { token_env: "NATS_TOKEN" } }, variable: "NATS_TOKEN" };
  }
  const user = env["NATS_USER"];
  if (user && env["NATS_PASSWORD"]) {
    const auth = { user, password_env: "NATS_PASSWORD" };
    return { nats: { ...nats, auth }, variable: "NATS_USER" };
  }
  if (!env["NATS_NKEY"]) return { nats };
  return { nats: { ...nats, auth: { nkey_seed_env: "NATS_NKEY" } }, variable: "NATS_NKEY" };
}
