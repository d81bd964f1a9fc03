/**
 * Where the API listens: `127.0.0.1:9090`, `[::1]:9090` or `unix:///run/picket/api.sock`.
 */
import { isIP } from "node:net";
import process from "node:process";
import { isLoopback } from "./auth.ts";
import { AdminError } from "./errors.ts";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Parses the address to listen at. Host names are refused: which of their addresses would it be?
 *
 * @throws {AdminError} `ADMIN_ADDRESS`
 */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    if (path === "") throw new AdminError("ADMIN_ADDRESS", "empty path in unix:// address");
    if (process.platform === "win32") {
      throw new AdminError("ADMIN_ADDRESS", "unix:// addresses need a Unix system");
    }
    return { kind: "unix", path };
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (
    match === null || host === undefined || isIP(host.replace(/%.*$/, "")) === 0 || port > 65_535
  ) {
    throw new AdminError(
      "ADMIN_ADDRESS",
      `cannot listen at '${text}': expected address:port or unix:///path`,
    );
  }
  return { kind: "tcp", host, port };
}

/**
 * Tokens and events must not cross a network in the clear.
 *
 * @throws {AdminError} `ADMIN_PLAINTEXT`
 */
export function checkPlaintext(address: ListenAddress, allowed: boolean): void {
  if (address.kind === "unix" || allowed || isLoopback(address.host)) return;
  throw new AdminError(
    "ADMIN_PLAINTEXT",
    `refusing to bind plaintext on non-loopback address ${address.host}: configure api.tls, ` +
      "or set api.tls.allow_plaintext (--allow-plaintext) if something else protects it",
  );
}

/** `http://127.0.0.1:9090`, `https://[::1]:9090`, `unix:///path`. */
export function addressUrl(address: ListenAddress, tls: boolean): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${tls ? "https" : "http"}://${host}:${address.port}`;
}
