/**
 * Where configuration files and the state are on each system.
 *
 * @see daemon.md, sections 11.1 and 19.4
 */
import { existsSync } from "node:fs";
import { posix, win32 } from "node:path";
import type { Environment } from "./secret.ts";

/** The surroundings that decide; tests pass their own. */
export interface Surroundings {
  readonly env: Environment;
  readonly cwd: string;
  readonly home: string;
  readonly platform: string;
  /** Whether we are root or SYSTEM: then the state is the machine's. */
  readonly isPrivileged: boolean;
  /** The directory of the machine's configuration, if it is another than the system's. */
  readonly systemDirectory?: string;
}

/** The rules of paths on `platform`. */
export function pathRules(platform: string): typeof posix {
  return platform === "win32" ? win32 : posix;
}

/** The configuration files that exist, the one that counts least first. */
export function findConfigFiles(around: Surroundings): readonly string[] {
  const { join } = pathRules(around.platform);
  const found = [
    firstOf(names(systemDirectory(around), around)),
    firstOf(names(userDirectory(around), around)),
    nearestAbove(around, ".picketrc"),
    firstOf([join(around.cwd, "picket.yaml"), join(around.cwd, "picket.yml")]),
  ];
  return found.filter((file) => file !== undefined);
}

function names(directory: string, { platform }: Surroundings): readonly string[] {
  const { join } = pathRules(platform);
  return [join(directory, "config.yaml"), join(directory, "config.yml")];
}

function firstOf(files: readonly string[]): string | undefined {
  return files.find((file) => existsSync(file));
}

/** `/etc/picket` or `%ProgramData%\Picket`. */
export function systemDirectory(around: Surroundings): string {
  if (around.systemDirectory !== undefined) return around.systemDirectory;
  return around.platform === "win32" ? programData(around) : "/etc/picket";
}

function programData({ env }: Surroundings): string {
  return win32.join(env["ProgramData"] || "C:\\ProgramData", "Picket");
}

/** `$XDG_CONFIG_HOME/picket`, `~/.config/picket` or `%APPDATA%\Picket`. */
function userDirectory({ env, home, platform }: Surroundings): string {
  if (platform === "win32") {
    return win32.join(env["APPDATA"] || win32.join(home, "AppData", "Roaming"), "Picket");
  }
  return posix.join(env["XDG_CONFIG_HOME"] || posix.join(home, ".config"), "picket");
}

function nearestAbove({ cwd, platform }: Surroundings, name: string): string | undefined {
  const { dirname, join } = pathRules(platform);
  let directory = cwd;
  for (;;) {
    const file = join(directory, name);
    if (existsSync(file)) return file;
    const parent = dirname(directory);
    if (parent === directory) return undefined;
    directory = parent;
  }
}

/**
 * Where the state is unless the configuration says: what systemd assigned, else the machine's place
 * for a privileged agent, else the user's.
 */
export function defaultStatePath(around: Surroundings): string {
  const { env, home, isPrivileged, platform } = around;
  if (platform === "win32") {
    const directory = isPrivileged
      ? programData(around)
      : win32.join(env["LOCALAPPDATA"] || win32.join(home, "AppData", "Local"), "Picket");
    return win32.join(directory, "state.db");
  }
  const assigned = env["STATE_DIRECTORY"]?.split(":")[0];
  if (assigned) return posix.join(assigned, "state.db");
  if (platform === "darwin") {
    const library = isPrivileged ? "/Library" : posix.join(home, "Library");
    return posix.join(library, "Application Support", "Picket", "state.db");
  }
  if (isPrivileged) return "/var/lib/picket/state.db";
  const states = env["XDG_STATE_HOME"] || posix.join(home, ".local", "state");
  return posix.join(states, "picket", "state.db");
}

/** An absolute path: `~/` is the home directory, relative paths begin at `base`. */
export function absolutePath(written: string, base: string, around: Surroundings): string {
  const { isAbsolute, join } = pathRules(around.platform);
  if (/^~[/\\]/.test(written)) return join(around.home, written.slice(2));
  // Windows device names and pipes are left alone: `\\.\pipe\picket`.
  return isAbsolute(written) ? written : join(base, written);
}
