/**
 * Where the state file is by default.
 */
import { homedir, userInfo } from "node:os";
import { posix, win32 } from "node:path";
import process from "node:process";

export interface PathContext {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
  readonly home: string;
}

/** The default path of the state file: the system's for root and services, else the user's own. */
export function defaultStatePath(context: PathContext = processContext()): string {
  const { platform, env, isRoot, home } = context;
  if (platform === "win32") {
    return win32.join(env["ProgramData"] || "C:\\ProgramData", "Picket", "state.db");
  }
  if (isRoot) return "/var/lib/picket/state.db";
  const base = env["XDG_STATE_HOME"];
  // The specification of base directories wants relative paths ignored.
  return posix.isAbsolute(base ?? "")
    ? posix.join(base!, "picket", "state.db")
    : posix.join(home, ".local", "state", "picket", "state.db");
}

function processContext(): PathContext {
  return {
    platform: process.platform,
    env: process.env,
    isRoot: process.platform !== "win32" && userInfo().uid === 0,
    home: homedir(),
  };
}
