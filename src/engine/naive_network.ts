/**
 * Whether an address lies in a network, by whole-address arithmetic: the oracle of `cidr`.
 */
import ipaddr from "ipaddr.js";

/** `network` is `address/prefix`; an IPv4-mapped IPv6 address also counts as its IPv4 address. */
export function addressInNetwork(text: string, network: string): boolean {
  const address = parse(text);
  const slash = network.lastIndexOf("/");
  const base = parse(network.slice(0, slash));
  const prefix = Number(network.slice(slash + 1));
  if (address === undefined || base === undefined) return false;
  if (address.length === base.length) return inPrefix(address, base, prefix);
  const mapped = address.length === 16 && base.length === 4 &&
    address.slice(0, 10).every((byte) => byte === 0) && address[10] === 255 && address[11] === 255;
  return mapped && inPrefix(address.slice(12), base, prefix);
}

function parse(text: string): number[] | undefined {
  if (/[%\s[\]]/.test(text)) return undefined;
  // The library also reads octal, hexadecimal and short forms, which logs do not mean.
  if (!text.includes(":")) {
    const strict = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(text);
    return strict && ipaddr.IPv4.isValid(text) ? ipaddr.IPv4.parse(text).toByteArray() : undefined;
  }
  // It also takes `::10.0.0.1`, which is an address of its own, for the IPv4-mapped one.
  const quad = text.slice(text.lastIndexOf(":") + 1);
  const tail = quad.includes(".") ? parse(quad) : [];
  if (tail === undefined) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = tail;
  const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  const spelled = tail.length === 0 ? text : text.slice(0, -quad.length) + groups;
  return ipaddr.IPv6.isValid(spelled) ? ipaddr.IPv6.parse(spelled).toByteArray() : undefined;
}

function inPrefix(address: readonly number[], base: readonly number[], prefix: number): boolean {
  const bits = (bytes: readonly number[]) =>
    bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("").slice(0, prefix);
  return bits(address) === bits(base);
}
