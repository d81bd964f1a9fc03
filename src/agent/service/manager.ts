/**
 * The service manager of a system: which steps install, control and ask it.
 */
import type { Ran, Step } from "./steps.ts";
import type { ServiceTarget } from "./target.ts";

/** How a service is right now. */
export interface ServiceStatus {
  readonly installed: boolean;
  readonly state: "running" | "starting" | "stopping" | "stopped" | "failed" | "unknown";
  readonly pid?: number;
  /** In the system's words: why it failed, or what it tells about itself. */
  readonly detail?: string;
}

export interface ServiceManager {
  /** As people call it. */
  readonly title: string;
  /** The usual name of the service. */
  readonly defaultName: string;
  /** Where the configuration is unless it is named. */
  readonly defaultConfig: string;
  /** @param isInstalled There is one of that name, which is to become like this. */
  install(target: ServiceTarget, isInstalled: boolean): readonly Step[];
  /**
   * Removes a service that has been stopped. What belongs to users stays: configuration, state,
   * logs; `kept` names it.
   */
  uninstall(name: string): { readonly steps: readonly Step[]; readonly kept: readonly string[] };
  start(name: string): readonly Step[];
  stop(name: string): readonly Step[];
  /** The question whose answer `readStatus` understands. */
  statusCommand(name: string): readonly [string, ...string[]];
  readStatus(ran: Ran): ServiceStatus;
  /** Where to look when a start has failed. */
  logHint(name: string): string;
  /** Why `executable` must not become a service; `undefined` if it may. */
  objection(executable: string): string | undefined;
}
