/**
 * Which service manager this machine has, and whether we may change it.
 */
import process from "node:process";
import type { Environment } from "../config/secret.ts";
import { bunFfi } from "./bun_ffi.ts";
import { ServiceError } from "./errors.ts";
import { linuxManager } from "./linux_manager.ts";
import { macosManager } from "./macos_manager.ts";
import type { ServiceManager } from "./manager.ts";
import { windowsManager } from "./windows_manager.ts";

/** @throws {ServiceError} `SERVICE_UNSUPPORTED` */
export function serviceManager(
  env: Environment,
  platform: string = process.platform,
): ServiceManager {
  switch (platform) {
    case "linux":
      return linuxManager();
    case "darwin":
      return macosManager();
    case "win32":
      return windowsManager(env);
    default:
      throw new ServiceError(
        "SERVICE_UNSUPPORTED",
        `Cannot install a service on ${platform}: start \`picket run\` by its own means`,
      );
  }
}

/** How somebody gets the rights that are needed; `undefined` if we have them. */
export function missingPrivilege(): string | undefined {
  if (process.platform !== "win32") {
    return process.getuid?.() === 0 ? undefined : "run it as root: sudo picket service …";
  }
  return isWindowsAdministrator() === false
    ? "open the terminal with “Run as administrator”"
    : undefined;
}

/** `undefined`: it cannot be told, so the steps themselves will. */
function isWindowsAdministrator(): boolean | undefined {
  try {
    const shell = bunFfi()?.dlopen("shell32.dll", { IsUserAnAdmin: { args: [], returns: "i32" } });
    return shell === undefined ? undefined : shell.symbols["IsUserAnAdmin"]!() !== 0;
  } catch {
    return undefined;
  }
}
