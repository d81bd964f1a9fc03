/**
 * What keeps web pages away from an API on the loopback interface: the names it may be called by,
 * and where requests that change something may come from.
 *
 * A page on the internet can make its own name point at 127.0.0.1 (DNS rebinding) and then talk to
 * this server as its own origin; the `Host` header still holds that name.
 */
import type { Connection } from "./auth.ts";
import { ApiError } from "./errors.ts";

/** The name in a `Host` header, lower-case, without port and brackets; `undefined` if malformed. */
export function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+(?:%[\w.~-]+)?)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, "");
}

/**
 * @param allowedHosts Names beside `localhost` and the address that was connected to.
 * @throws {ApiError} 403 `bad_host`
 */
export function checkHost(
  header: string | undefined,
  connection: Connection,
  allowedHosts: readonly string[],
): void {
  if (connection.transport === "unix") return; // No browser speaks to a Unix socket.
  const name = header === undefined ? undefined : hostName(header);
  if (name !== undefined) {
    if (name === "localhost" || name === "127.0.0.1" || name === "::1") return;
    if (connection.local !== undefined && name === plainAddress(connection.local)) return;
    if (allowedHosts.some((allowed) => allowed.toLowerCase() === name)) return;
  }
  throw new ApiError(403, "bad_host", "the Host header names neither this address nor localhost", {
    hint: "add the name to api.auth.allowed_hosts",
  });
}

/**
 * Refuses requests that a page of another origin makes. Tools send no `Origin`.
 *
 * @throws {ApiError} 403 `bad_origin`
 */
export function checkOrigin(headers: Headers): void {
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") refuse();
  const origin = headers.get("origin");
  if (origin === null) return;
  try {
    if (new URL(origin).host === headers.get("host")?.toLowerCase()) return;
  } catch {
    // `null`, or no URL at all.
  }
  refuse();
}

function refuse(): never {
  throw new ApiError(403, "bad_origin", "requests of other origins may not change anything");
}

/** IPv4 in IPv6 as IPv4. */
export function plainAddress(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}
