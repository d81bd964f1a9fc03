/**
 * Which proxy stands between us and a URL.
 */
import { Buffer } from "node:buffer";
import { parseAddress, parseCidr } from "./address.ts";
import { plainHost } from "./egress.ts";
import { HttpError } from "./errors.ts";

/** An HTTP proxy; `https` for one that is itself reached by TLS. */
export interface Proxy {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** The value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

export type Environment = (name: string) => string | undefined;

/**
 * The proxy for a URL.
 *
 * `env` reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in small letters first.
 *
 * @throws {HttpError} `HTTP_SETTINGS` for a proxy that is no http:// or https:// URL.
 */
export function proxyFor(
  url: URL,
  setting: "env" | "none" | string,
  env: Environment,
): Proxy | undefined {
  if (setting === "none") return undefined;
  if (setting !== "env") return parseProxy(setting, "proxy");
  const read = (name: string) => nonEmpty(env(name.toLowerCase())) ?? nonEmpty(env(name));
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  // In a CGI process HTTP_PROXY is what a client sent as its `Proxy` header.
  const value = name === "HTTP_PROXY" && env("REQUEST_METHOD") !== undefined
    ? nonEmpty(env("http_proxy"))
    : read(name);
  const chosen = value ?? read("ALL_PROXY");
  if (chosen === undefined || bypassed(url, read("NO_PROXY") ?? "")) return undefined;
  return parseProxy(chosen, name);
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text.trim();
}

function parseProxy(text: string, name: string): Proxy {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // The text may hold a password, so it is not shown.
    throw new HttpError("HTTP_SETTINGS", `${name}: expected http://HOST:PORT, https:// or 'none'`);
  }
  const secure = url.protocol === "https:";
  return {
    secure,
    host: plainHost(url.hostname),
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    authorization: basicAuthorization(url),
  };
}

/** `Basic …` for the user and password of a URL. */
export function basicAuthorization(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const pair = `${decoded(url.username)}:${decoded(url.password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // A lone `%` stands for itself.
  }
}

/** Whether NO_PROXY names the host: `*`, a name and all below it, an address, a range, `:port`. */
function bypassed(url: URL, list: string): boolean {
  const host = plainHost(url.hostname);
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  const address = parseAddress(host);
  return list.split(/[\s,]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true;
    const withPort = /^(.*):(\d{1,5})$/.exec(entry);
    const hasPort = withPort !== null && !withPort[1]!.includes(":");
    if (hasPort && withPort[2] !== port) return false;
    const name = plainHost(hasPort ? withPort[1]! : entry);
    const cidr = parseCidr(name);
    if (cidr !== undefined) return address !== undefined && cidr.contains(address);
    const suffix = name.replace(/^\*?\./, "");
    return host === suffix || host.endsWith(`.${suffix}`);
  });
}
