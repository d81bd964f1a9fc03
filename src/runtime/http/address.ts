/**
 * IP addresses in every form that leads somewhere, and what is reached there.
 *
 * An IPv6 address can carry an IPv4 one, and gateways unwrap it: what `169.254.169.254` must not
 * reach, `64:ff9b::a9fe:a9fe` must not reach either.
 */
import { parseIpv4, parseIpv6 } from "../../event/ip.ts";

/** An address; IPv4 as an unsigned 32-bit number, IPv6 as eight 16-bit groups. */
export type IpAddress =
  | { readonly family: 4; readonly number: number }
  | { readonly family: 6; readonly groups: readonly number[] };

/** What is at an address. `link-local` includes what is nowhere: broadcast, multicast, reserved. */
export type AddressClass = "link-local" | "cloud-metadata" | "loopback" | "private";

/** Reads what `URL.hostname` and resolvers give: brackets and zones are taken off. */
export function parseAddress(text: string): IpAddress | undefined {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const number = parseIpv4(bare);
  if (number !== undefined) return { family: 4, number };
  const zone = bare.indexOf("%");
  const groups = parseIpv6(zone < 0 ? bare : bare.slice(0, zone));
  return groups === undefined ? undefined : { family: 6, groups };
}

/**
 * The classes of an address in the order in which they are reported; empty for a public one.
 * Those of an IPv4 address inside come last.
 *
 * @see delivery.md, sections 13 and 20.8; pipelines.md, section 28
 */
export function addressClasses(address: IpAddress): readonly AddressClass[] {
  if (address.family === 4) return classesOf4(address.number);
  const inner = embeddedIpv4(address.groups);
  const own = classesOf6(address.groups);
  return inner === undefined ? own : [...own, ...classesOf4(inner.number)];
}

const LINK_LOCAL_4 = cidrs4("169.254.0.0/16");
const LOOPBACK_4 = cidrs4("127.0.0.0/8");
// Shared (RFC 6598), protocol assignments and benchmarking are inside somebody's network too.
const PRIVATE_4 = cidrs4(
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "198.18.0.0/15",
);
// 0.0.0.0 reaches the machine itself on Linux, and nothing in its /8 is anywhere else.
const SPECIAL_4 = cidrs4("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4");
const METADATA_4 = cidrs4(
  "169.254.169.254/32",
  "169.254.170.2/32",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "192.0.0.192/32",
);

function classesOf4(number: number): AddressClass[] {
  const classes: AddressClass[] = [];
  if (LINK_LOCAL_4(number)) classes.push("link-local");
  // The well-known address stays with its range: one switch turns both off.
  if (METADATA_4(number) && number !== 0xa9fea9fe) classes.push("cloud-metadata");
  if (LOOPBACK_4(number)) classes.push("loopback");
  if (PRIVATE_4(number)) classes.push("private");
  if (SPECIAL_4(number)) classes.push("link-local");
  return classes;
}

const LINK_LOCAL_6 = cidrs6("fe80::/10");
const METADATA_6 = cidrs6("fd00:ec2::254/128", "fd20:ce::254/128");
const LOOPBACK_6 = cidrs6("::1/128");
// Besides unique-local: site-local, local NAT64, Teredo.
const PRIVATE_6 = cidrs6("fc00::/7", "fec0::/10", "64:ff9b:1::/48", "2001::/32");
const SPECIAL_6 = cidrs6("::/128", "ff00::/8");

function classesOf6(groups: readonly number[]): AddressClass[] {
  const classes: AddressClass[] = [];
  if (LINK_LOCAL_6(groups)) classes.push("link-local");
  if (METADATA_6(groups)) classes.push("cloud-metadata");
  if (LOOPBACK_6(groups)) classes.push("loopback");
  if (PRIVATE_6(groups)) classes.push("private");
  if (SPECIAL_6(groups)) classes.push("link-local");
  return classes;
}

const COMPATIBLE = cidrs6("::/96");
const LAST_TWO = cidrs6("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96");
const NAT64_LOCAL = cidrs6("64:ff9b:1::/96");
const SIX_TO_FOUR = cidrs6("2002::/16");

/** The IPv4 address that an IPv6 one carries: mapped, translated, NAT64, 6to4, compatible, ISATAP. */
export function embeddedIpv4(
  groups: readonly number[],
): { readonly family: 4; readonly number: number } | undefined {
  const at = (first: number) =>
    ({ family: 4, number: groups[first]! * 65536 + groups[first + 1]! }) as const;
  if (LAST_TWO(groups) || NAT64_LOCAL(groups)) return at(6);
  if (SIX_TO_FOUR(groups)) return at(1);
  // `::` and `::1` are addresses of their own.
  if (COMPATIBLE(groups)) return groups[6] === 0 && groups[7]! <= 1 ? undefined : at(6);
  if ((groups[4]! & 0xfdff) === 0 && groups[5] === 0x5efe) return at(6);
  return undefined;
}

/** A range of addresses. */
export interface Cidr {
  readonly family: 4 | 6;
  contains(address: IpAddress): boolean;
}

/** Reads `10.0.0.0/8`, `fc00::/7` or a single address; `undefined` if it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const base = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (base === undefined) return undefined;
  const width = base.family === 4 ? 32 : 128;
  const bits = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > width) return undefined;
  const shift = BigInt(width - Number(bits));
  const network = toBigInt(base) >> shift;
  return {
    family: base.family,
    contains: (address) => address.family === base.family && toBigInt(address) >> shift === network,
  };
}

function toBigInt(address: IpAddress): bigint {
  if (address.family === 4) return BigInt(address.number);
  return address.groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}

function cidrs4(...texts: string[]): (number: number) => boolean {
  const list = texts.map(knownCidr);
  return (number) => list.some((cidr) => cidr.contains({ family: 4, number }));
}

function cidrs6(...texts: string[]): (groups: readonly number[]) => boolean {
  const list = texts.map(knownCidr);
  return (groups) => list.some((cidr) => cidr.contains({ family: 6, groups }));
}

function knownCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new RangeError(`Not a CIDR: ${text}`);
  return cidr;
}
