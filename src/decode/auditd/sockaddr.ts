/**
 * Socket addresses as audit records have them: the bytes of a `struct sockaddr` in hex.
 *
 * @see Linux, `linux/socket.h`, `linux/in.h`, `linux/in6.h`, `linux/un.h`
 */
import { decodeHexBytes } from "./hex.ts";

/** A decoded address. */
export type SocketAddress =
  | { readonly family: "inet" | "inet6"; readonly address: string; readonly port: number }
  /** `path` of a name without a file begins with `@`. */
  | { readonly family: "local"; readonly path: string }
  | { readonly family: "netlink" | "packet" | "vsock" | "alg" | "unspec" };

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes the value of `saddr`; `undefined` for a family that is not known, or too few bytes. */
export function decodeSocketAddress(hex: string): SocketAddress | undefined {
  const bytes = decodeHexBytes(hex);
  if (bytes === undefined || bytes.length < 2) return undefined;
  // In the byte order of the machine; all families are below 256, so one of the two bytes is 0.
  const family = bytes[0]! | bytes[1]!;
  const port = bytes.length < 4 ? undefined : bytes[2]! * 256 + bytes[3]!;
  switch (family) {
    case 0:
      return { family: "unspec" };
    case 1:
      return { family: "local", path: unixPath(bytes.subarray(2)) };
    case 2:
      if (port === undefined || bytes.length < 8) return undefined;
      return { family: "inet", address: bytes.subarray(4, 8).join("."), port };
    case 10:
      if (port === undefined || bytes.length < 24) return undefined;
      return { family: "inet6", address: ipv6Text(bytes.subarray(8, 24)), port };
    case 16:
      return { family: "netlink" };
    case 17:
      return { family: "packet" };
    case 38:
      return { family: "alg" };
    case 40:
      return { family: "vsock" };
    default:
      return undefined;
  }
}

/** A path ends at its NUL; a name without a file begins with one. */
function unixPath(bytes: Uint8Array): string {
  if (bytes[0] === 0) return `@${utf8.decode(bytes.subarray(1)).replaceAll("\0", "@")}`;
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** RFC 5952; an IPv4 address in IPv6 is written as the IPv4 address that it means. */
function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, at) => bytes[2 * at]! * 256 + bytes[2 * at + 1]!);
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return bytes.subarray(12).join(".");
  }
  let start = -1, length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && words[end] === 0) end++;
    if (end - at > length) [start, length] = [at, end - at];
  }
  const hex = words.map((word) => word.toString(16));
  if (start < 0) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}
