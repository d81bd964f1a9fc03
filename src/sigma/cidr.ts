/**
 * IP networks in `address/prefix` form, read strictly and written canonically.
 *
 * @see sigma-rules.md, section 12.7
 */
import ipaddr from "ipaddr.js";
import { parseIpv6 } from "../event/ip.ts";

const OCTET = "(?:0|[1-9][0-9]{0,2})";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/;

/**
 * The canonical form of a network: host bits cleared, IPv6 compressed and in lower case.
 *
 * @returns `undefined` if `text` is no network; the prefix is mandatory, zone ids, blanks and
 * octets with leading zeros are not allowed.
 */
export function canonicalCidr(text: string): string | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = text.slice(0, slash);
  const prefixText = text.slice(slash + 1);
  if (!PREFIX.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (address.includes(":")) return canonicalIpv6(address, prefix);
  // The library also reads octal, hexadecimal and shortened addresses.
  if (!IPV4.test(address) || prefix > 32 || !ipaddr.IPv4.isValid(address)) return undefined;
  const network = ipaddr.IPv4.networkAddressFromCIDR(`${address}/${prefix}`);
  return `${network.toString()}/${prefix}`;
}

function canonicalIpv6(address: string, prefix: number): string | undefined {
  // The library takes `::10.0.0.1` for `::ffff:10.0.0.1`, so it gets the groups spelled out.
  const groups = parseIpv6(address);
  if (groups === undefined || prefix > 128) return undefined;
  const spelled = groups.map((group) => group.toString(16)).join(":");
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${spelled}/${prefix}`);
  return `${network.toRFC5952String()}/${prefix}`;
}
