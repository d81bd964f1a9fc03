/**
 * Secrets: read when they are needed, from a file or the environment.
 */
import { readFileSync, statSync } from "node:fs";
import type { Secret } from "../../runtime/settings.ts";
import { ConfigError } from "./problems.ts";
import type { Origin } from "./tree.ts";

/** Larger files are not secrets. */
const MAX_SECRET_BYTES = 64 << 10;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a secret key was written. */
export interface SecretPlace {
  readonly path: string;
  readonly origin: Origin;
}

/**
 * The value of an environment variable, read at each call.
 *
 * The result throws `ConfigError` `CONFIG_SECRET` if it is unset or empty.
 */
export function envSecret(name: string, env: Environment, place: SecretPlace): Secret {
  return () => {
    const value = env[name];
    if (value) return value;
    throw secretError(place, `environment variable ${name} is unset or empty`);
  };
}

/**
 * The content of a file without the line end behind it, read at each call.
 *
 * The result throws `ConfigError` `CONFIG_SECRET` if it cannot be read, is empty or huge.
 */
export function fileSecret(file: string, place: SecretPlace): Secret {
  return () => {
    let value: string;
    try {
      if (statSync(file).size > MAX_SECRET_BYTES) {
        throw secretError(place, `file ${file} is too large for a secret`);
      }
      value = readFileSync(file, "utf8").replace(/\r?\n$/, "");
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const reason = (error as { readonly code?: string }).code ?? "unknown reason";
      throw secretError(place, `file ${file} cannot be read: ${reason}`);
    }
    if (value === "") throw secretError(place, `file ${file} is empty`);
    return value;
  };
}

function secretError({ path, origin }: SecretPlace, message: string): ConfigError {
  return new ConfigError("CONFIG_SECRET", [{ severity: "error", path, message, origin }]);
}
