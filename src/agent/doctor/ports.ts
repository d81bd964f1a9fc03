/**
 * Who listens where.
 */
import { connect } from "node:net";
import process from "node:process";
import type { ApiAddress } from "../config/types.ts";

/** Any address of this machine would do for one that listens at all of them. */
export function target(
  address: ApiAddress,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (address.kind === "unix") return { path: address.path };
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[address.host] ?? address.host;
  return { host, port: address.port };
}

/** Whether somebody takes connections at an address; an abort says no. */
export function isListening(address: ApiAddress, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target(address));
    const end = (answer: boolean): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = (): void => end(false);
    signal.addEventListener("abort", onAbort);
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** Whether this user may not listen at a port. */
export function needsRoot(port: number): boolean {
  return process.platform === "linux" && port < 1024 && process.getuid?.() !== 0;
}
