/**
 * Who asks, and whether they may: tokens of the configuration and of the token file, anonymous
 * grants, trusted listeners.
 *
 * @see daemon.md 4 and 19.3
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { statSync } from "node:fs";
import type { Secret } from "../runtime/settings.ts";
import { AdminError } from "./errors.ts";
import {
  type Allowance,
  covers,
  type Grant,
  makeRoles,
  parseGrant,
  type Permission,
  resolveAllowance,
  type Roles,
} from "./permissions.ts";
import {
  matchesToken,
  readLastUsed,
  readTokenFile,
  type StoredToken,
  TOKEN_PREFIX,
  writeLastUsed,
} from "./token_file.ts";

/** A token that the configuration names; its secret is in a variable or a file. */
export interface ConfiguredToken extends Allowance {
  readonly name: string;
  /** Throws with a message that names the variable or file. */
  readonly secret: Secret;
}

export interface AuthSettings {
  readonly tokens?: readonly ConfiguredToken[];
  /** See `token_file.ts`; may not exist yet. */
  readonly tokenFile?: string;
  readonly roles?: Readonly<Record<string, readonly string[]>>;
  readonly anonymousPermissions?: readonly string[];
  /** `trusted`: whoever connects over the loopback interface may do everything. Default `required`. */
  readonly loopback?: "required" | "trusted";
  /** The same for the Unix socket, which only its owner can open. Default `required`. */
  readonly unixSocket?: "required" | "trusted";
}

export interface Identity {
  readonly kind: "anonymous" | "token" | "loopback" | "unix";
  /** The token's name. */
  readonly name: string | null;
  readonly grants: readonly Grant[];
}

/** How a request reached the server. */
export interface Connection {
  /** The far end's address; `unix` for a socket, `unknown` where it cannot be told. */
  readonly peer: string;
  /** The address it was reached at. */
  readonly local: string | undefined;
  readonly transport: "tcp" | "unix";
}

export type AuthDecision =
  | { readonly kind: "allowed"; readonly identity: Identity }
  /** `presented`: with a token that is wrong, rather than without one. */
  | { readonly kind: "unauthorized"; readonly presented: boolean }
  | { readonly kind: "forbidden"; readonly identity: Identity };

/** How often the token file is looked at, in milliseconds. */
const FILE_CHECK_MS = 1000;
/** How often `….used` is written. */
const USED_WRITE_MS = 60_000;
const MAX_TOKEN_LENGTH = 1024;

const ALL: readonly Grant[] = [{ resource: "*", action: "*", sensitive: true }];

/** Decides about requests; `close` writes what is still to be written. */
export class Authenticator implements Disposable {
  readonly #settings: AuthSettings;
  readonly #roles: Roles;
  readonly #anonymous: Identity;
  readonly #configured: readonly (ConfiguredToken & { readonly grants: readonly Grant[] })[];
  readonly #warn: (message: string) => void;
  readonly #now: () => number;
  /** Salts digests of configured secrets, so that comparing takes the same time whatever they are. */
  readonly #key = randomBytes(32);
  #file: readonly { readonly token: StoredToken; readonly grants: readonly Grant[] }[] = [];
  #fileStamp = "";
  #fileCheckedMs = -Infinity;
  readonly #used = new Map<string, number>();
  #usedDirty = false;
  #usedWrittenMs: number;

  /**
   * @param now Unix milliseconds.
   * @param warn Takes messages about a token file that has become unusable.
   * @throws {AdminError} `ADMIN_AUTH` for settings that contradict themselves, `ADMIN_TOKENS`.
   */
  constructor(settings: AuthSettings, now: () => number, warn: (message: string) => void) {
    this.#settings = settings;
    this.#now = now;
    this.#warn = warn;
    this.#roles = makeRoles(settings.roles ?? {});
    this.#anonymous = {
      kind: "anonymous",
      name: null,
      grants: (settings.anonymousPermissions ?? []).map((grant) =>
        parseGrant(grant, "anonymous_permissions")
      ),
    };
    this.#configured = checkTokens(settings.tokens ?? [], this.#roles);
    this.#usedWrittenMs = now();
    if (settings.tokenFile !== undefined) {
      for (const [name, seconds] of readLastUsed(settings.tokenFile)) this.#used.set(name, seconds);
      this.#loadFile(settings.tokenFile);
    }
  }

  /** Reads the token file again at the next request, even if its times have not changed. */
  reload(): void {
    this.#fileStamp = "";
    this.#fileCheckedMs = -Infinity;
  }

  /** Whether a token is one that Picket made: too long to be guessed. */
  static isGenerated(token: string): boolean {
    return token.startsWith(TOKEN_PREFIX) && token.length >= TOKEN_PREFIX.length + 43;
  }

  /**
   * @param header The `Authorization` header.
   * @param permission What the route asks for; `undefined` for those open to everybody.
   */
  decide(
    header: string | undefined,
    permission: Permission | undefined,
    connection: Connection,
  ): AuthDecision {
    const token = bearer(header);
    if (permission === undefined) return { kind: "allowed", identity: this.#anonymous };
    if (token === undefined) {
      const identity = this.#trusted(connection) ?? this.#anonymous;
      return covers(identity.grants, permission)
        ? { kind: "allowed", identity }
        : { kind: "unauthorized", presented: false };
    }
    const identity = this.identify(token);
    if (identity === undefined) return { kind: "unauthorized", presented: true };
    return covers(identity.grants, permission)
      ? { kind: "allowed", identity }
      : { kind: "forbidden", identity };
  }

  /** Whose token this is. All tokens are compared, so the time does not tell which one is near. */
  identify(token: string): Identity | undefined {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    this.#refreshFile();
    let found: Identity | undefined;
    const presented = this.#digest(token);
    for (const { name, secret, grants } of this.#configured) {
      let wanted: string;
      try {
        wanted = secret();
      } catch (error) {
        this.#warn(`token '${name}' cannot be checked: ${messageOf(error)}`);
        continue;
      }
      if (timingSafeEqual(this.#digest(wanted), presented) && wanted !== "") {
        found = { kind: "token", name, grants };
      }
    }
    const nowSeconds = Math.floor(this.#now() / 1000);
    for (const { token: stored, grants } of this.#file) {
      if (!matchesToken(stored, token)) continue;
      if (stored.expires !== null && stored.expires <= nowSeconds) continue;
      found = { kind: "token", name: stored.name, grants };
      this.#noteUse(stored.name, nowSeconds);
    }
    return found;
  }

  /** Whether anybody but the probes could use the API. */
  get usable(): boolean {
    return this.#configured.length > 0 || this.#file.length > 0 ||
      this.#anonymous.grants.length > 0 || this.#settings.loopback === "trusted" ||
      this.#settings.unixSocket === "trusted";
  }

  [Symbol.dispose](): void {
    this.#writeUsed();
  }

  #trusted({ peer, transport }: Connection): Identity | undefined {
    if (transport === "unix") {
      if (this.#settings.unixSocket !== "trusted") return undefined;
      return { kind: "unix", name: null, grants: ALL };
    }
    if (this.#settings.loopback !== "trusted" || !isLoopback(peer)) return undefined;
    return { kind: "loopback", name: null, grants: ALL };
  }

  #digest(token: string): Uint8Array {
    return createHash("sha256").update(this.#key).update(token, "utf8").digest();
  }

  #refreshFile(): void {
    const path = this.#settings.tokenFile;
    const now = this.#now();
    if (path === undefined || Math.abs(now - this.#fileCheckedMs) < FILE_CHECK_MS) return;
    try {
      this.#loadFile(path);
    } catch (error) {
      // Whoever had access keeps it: a typing error must not lock everybody out.
      this.#warn(`${messageOf(error)}; the tokens read before stay in force`);
    }
  }

  #loadFile(path: string): void {
    this.#fileCheckedMs = this.#now();
    const stamp = fileStamp(path);
    if (stamp === this.#fileStamp) return;
    const tokens = readTokenFile(path);
    checkNames([...this.#configured, ...tokens]);
    this.#file = tokens.map((token) => ({
      token,
      grants: resolveAllowance(token.name, token, this.#roles),
    }));
    this.#fileStamp = stamp;
  }

  #noteUse(name: string, nowSeconds: number): void {
    if (this.#used.get(name) === nowSeconds) return;
    this.#used.set(name, nowSeconds);
    this.#usedDirty = true;
    if (this.#now() - this.#usedWrittenMs >= USED_WRITE_MS) this.#writeUsed();
  }

  #writeUsed(): void {
    const path = this.#settings.tokenFile;
    if (path === undefined || !this.#usedDirty) return;
    this.#usedWrittenMs = this.#now();
    this.#usedDirty = false;
    const names = new Set(this.#file.map(({ token }) => token.name));
    for (const name of [...this.#used.keys()]) if (!names.has(name)) this.#used.delete(name);
    try {
      writeLastUsed(path, this.#used);
    } catch (error) {
      this.#warn(`cannot note when tokens were used: ${messageOf(error)}`);
    }
  }
}

/** `127.0.0.0/8`, `::1`, and the former written as IPv6. */
export function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address) || address === "::1";
}

/** The token of a header; any other scheme counts as none. */
export function bearer(header: string | undefined): string | undefined {
  if (header === undefined || !header.startsWith("Bearer ")) return undefined;
  return header.slice("Bearer ".length);
}

function checkTokens(
  tokens: readonly ConfiguredToken[],
  roles: Roles,
): readonly (ConfiguredToken & { readonly grants: readonly Grant[] })[] {
  checkNames(tokens);
  const owners = new Map<string, string>();
  return tokens.map((token) => {
    const grants = resolveAllowance(token.name, token, roles);
    let secret: string;
    try {
      secret = token.secret();
    } catch (error) {
      throw new AdminError("ADMIN_AUTH", `token '${token.name}': ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (secret === "") throw new AdminError("ADMIN_AUTH", `token '${token.name}': it is empty`);
    const owner = owners.get(secret);
    if (owner !== undefined) {
      throw new AdminError(
        "ADMIN_AUTH",
        `tokens '${owner}' and '${token.name}' have the same secret`,
      );
    }
    owners.set(secret, token.name);
    return { ...token, grants };
  });
}

function checkNames(tokens: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of tokens) {
    if (name.trim() === "") throw new AdminError("ADMIN_AUTH", "token with empty name");
    if (names.has(name)) throw new AdminError("ADMIN_AUTH", `duplicate token name '${name}'`);
    names.add(name);
  }
}

function fileStamp(path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    return `${mtimeMs}/${ctimeMs}/${size}/${ino}`;
  } catch {
    return "none";
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
