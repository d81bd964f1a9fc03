/**
 * Where outgoing connections may go.
 *
 * Lists of hosts speak of names, lists of CIDRs of addresses. A `deny` list always wins. `allowHosts`
 * and `allowPorts` leave nothing but what they name; `allowCidrs` lifts what the preset denies, and
 * nothing else does: a name that is allowed may come to point anywhere.
 *
 * @see delivery.md, sections 13 and 20.8
 */
import type { EgressSettings } from "../settings.ts";
import {
  type AddressClass,
  addressClasses,
  type Cidr,
  embeddedIpv4,
  type IpAddress,
  parseAddress,
  parseCidr,
} from "./address.ts";
import { HttpError } from "./errors.ts";

/** Why a connection is not made; `class` is the label of `egress_denied_total`. */
export interface EgressDenial {
  readonly class: AddressClass | "host" | "port" | "listed";
  readonly message: string;
}

/** A policy that has been read; answers without any I/O. */
export interface EgressPolicy {
  /** Looks at the name and port, before anything is resolved. */
  checkHost(host: string, port: number): EgressDenial | undefined;
  /** Looks at an address that a name has, or that stands in a URL. */
  checkAddress(address: string): EgressDenial | undefined;
}

const DENIED: Readonly<Record<EgressSettings["policy"], readonly AddressClass[]>> = {
  default: ["link-local", "cloud-metadata"],
  strict: ["link-local", "cloud-metadata", "loopback", "private"],
  permissive: [],
};

/**
 * Reads a policy.
 *
 * @param denied The classes that are denied, if they are not those of the preset.
 * @throws {HttpError} `HTTP_SETTINGS` for an entry that is no CIDR, no host or no port.
 */
export function egressPolicy(
  settings: EgressSettings,
  denied: readonly AddressClass[] = DENIED[settings.policy],
): EgressPolicy {
  const denyHosts = (settings.denyHosts ?? []).map((one) => hostTest(one, "deny_hosts"));
  const allowHosts = (settings.allowHosts ?? []).map((one) => hostTest(one, "allow_hosts"));
  const denyCidrs = (settings.denyCidrs ?? []).map((one) => cidrOf(one, "deny_cidrs"));
  const allowCidrs = (settings.allowCidrs ?? []).map((one) => cidrOf(one, "allow_cidrs"));
  const ports = settings.allowPorts ?? [];
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new HttpError("HTTP_SETTINGS", `egress.allow_ports: ${port} is no port`);
    }
  }
  return {
    checkHost(host, port) {
      const name = plainHost(host);
      if (denyHosts.some((test) => test(name))) {
        return { class: "host", message: `egress policy denied host ${name}: it is in deny_hosts` };
      }
      if (ports.length > 0 && !ports.includes(port)) {
        return { class: "port", message: `egress policy denied port ${port} of ${name}` };
      }
      if (allowHosts.length === 0 || allowHosts.some((test) => test(name))) return undefined;
      const address = parseAddress(name);
      if (address !== undefined && inOne(allowCidrs, formsOf(address))) return undefined;
      return { class: "host", message: `egress policy denied host ${name}: not in allow_hosts` };
    },
    checkAddress(text) {
      const address = parseAddress(text);
      if (address === undefined) {
        return { class: "listed", message: `egress policy denied '${text}': it is no address` };
      }
      const forms = formsOf(address);
      if (inOne(denyCidrs, forms)) {
        return { class: "listed", message: `egress policy denied listed address ${text}` };
      }
      if (inOne(allowCidrs, forms)) return undefined;
      const found = addressClasses(address).find((one) => denied.includes(one));
      if (found === undefined) return undefined;
      return { class: found, message: `egress policy denied ${found} address ${text}` };
    },
  };
}

/** A host as lists and checks compare it: lower case, no brackets, no dot at the end. */
export function plainHost(host: string): string {
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  return bare.toLowerCase().replace(/\.$/, "");
}

/** The address and the one it carries. */
function formsOf(address: IpAddress): readonly IpAddress[] {
  if (address.family === 4) return [address];
  const inner = embeddedIpv4(address.groups);
  return inner === undefined ? [address] : [address, inner];
}

function inOne(cidrs: readonly Cidr[], forms: readonly IpAddress[]): boolean {
  return cidrs.some((cidr) => forms.some((address) => cidr.contains(address)));
}

/** `example.com` is that name, `*.example.com` every name below it; addresses are compared as such. */
function hostTest(entry: string, key: string): (host: string) => boolean {
  const name = plainHost(entry.trim());
  const cidr = parseCidr(name);
  if (cidr !== undefined) {
    // A URL spells an address in one way, a list may in another.
    return (host) => {
      const address = parseAddress(host);
      return address !== undefined && inOne([cidr], formsOf(address));
    };
  }
  const suffix = name.startsWith("*.") ? name.slice(1) : undefined;
  const rest = suffix === undefined ? name : suffix.slice(1);
  if (rest === "" || /[*/@\s]/.test(rest)) {
    const expected = "a host such as hub.example.com or *.example.com";
    throw new HttpError("HTTP_SETTINGS", `egress.${key}: '${entry}' is not ${expected}`);
  }
  return suffix === undefined ? (host) => host === name : (host) => host.endsWith(suffix);
}

function cidrOf(entry: string, key: string): Cidr {
  const cidr = parseCidr(entry.trim());
  if (cidr === undefined) {
    const expected = "an address or a range such as 10.0.0.0/8";
    throw new HttpError("HTTP_SETTINGS", `egress.${key}: '${entry}' is not ${expected}`);
  }
  return cidr;
}
