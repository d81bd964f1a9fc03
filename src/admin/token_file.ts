/**
 * The token file: who may use the API, with digests in place of the tokens.
 *
 * A token is 256 random bits, so one round of SHA-256 with a salt is enough: there is nothing to
 * guess. When a token was used last stands in a file of its own (`….used`), which only the agent
 * writes; so the agent and `picket token` never overwrite each other.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { z } from "zod";
import { AdminError } from "./errors.ts";
import { BUILT_IN_ROLES } from "./permissions.ts";

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

const storedToken = z.object({
  name: z.string().regex(/^[^\s\p{C}][^\p{C}]{0,63}$/u),
  role: z.string().optional(),
  permissions: z.array(z.string()).optional(),
  salt: hex(32),
  /** SHA-256 of the salt's bytes and the token. */
  digest: hex(64),
  created: z.int().nonnegative(),
  /** Unix seconds. */
  expires: z.int().nonnegative().nullable(),
});
export type StoredToken = z.infer<typeof storedToken>;

const tokenFile = z.object({ version: z.literal(1), tokens: z.array(storedToken).max(10_000) });

/** Tokens are recognisable, so that scanners for leaked secrets find them. */
export const TOKEN_PREFIX = "pkt_";

/** A new token: the prefix and 43 characters of base64url. */
export function generateToken(): string {
  return TOKEN_PREFIX + randomBytes(32).toString("base64url");
}

export function tokenDigest(saltHex: string, token: string): Uint8Array {
  return createHash("sha256").update(saltHex, "hex").update(token, "utf8").digest();
}

/** Whether `token` is the one of `stored`; takes the same time for any wrong one. */
export function matchesToken(stored: StoredToken, token: string): boolean {
  const wanted = Uint8Array.from(
    stored.digest.match(/../g) ?? [],
    (byte) => Number.parseInt(byte, 16),
  );
  return timingSafeEqual(wanted, tokenDigest(stored.salt, token));
}

/**
 * The tokens of a file; none if it does not exist.
 *
 * @throws {AdminError} `ADMIN_TOKENS` if it cannot be read, is damaged, or others may write it.
 */
export function readTokenFile(path: string): readonly StoredToken[] {
  let text: string;
  try {
    // On Windows the mode says nothing; the directory's ACL guards the file.
    const mode = statSync(path).mode;
    if (process.platform !== "win32" && (mode & 0o022) !== 0) {
      throw new AdminError(
        "ADMIN_TOKENS",
        `Cannot use token file ${path}: others may write it; run chmod 600 on it`,
      );
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof AdminError) throw error;
    if ((error as { readonly code?: string }).code === "ENOENT") return [];
    throw new AdminError("ADMIN_TOKENS", `Cannot read token file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    return tokenFile.parse(JSON.parse(text)).tokens;
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error);
    throw new AdminError("ADMIN_TOKENS", `Cannot read token file ${path}: ${reason}`);
  }
}

/** Replaces the file in one step, readable for its owner alone. */
export function writeTokenFile(path: string, tokens: readonly StoredToken[]): void {
  try {
    replaceFile(path, `${JSON.stringify({ version: 1, tokens }, null, 2)}\n`);
  } catch (error) {
    throw new AdminError("ADMIN_TOKENS", `Cannot write token file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export interface NewToken {
  readonly name: string;
  readonly role?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
  /** Unix seconds. */
  readonly expires?: number | undefined;
}

/**
 * Adds a token to the file.
 *
 * @returns The token itself, which is nowhere else.
 * @throws {AdminError} `ADMIN_TOKENS`, also if the name is taken or cannot be used.
 */
export function createToken(path: string, token: NewToken, nowSeconds: number): string {
  const tokens = readTokenFile(path);
  if (tokens.some(({ name }) => name === token.name)) {
    throw new AdminError("ADMIN_TOKENS", `Cannot create token: there is one named '${token.name}'`);
  }
  const secret = generateToken();
  const salt = randomBytes(16).toString("hex");
  const entry = {
    name: token.name,
    ...(token.role === undefined ? {} : { role: token.role }),
    ...(token.permissions === undefined ? {} : { permissions: [...token.permissions] }),
    salt,
    digest: Array.from(tokenDigest(salt, secret), (byte) => byte.toString(16).padStart(2, "0"))
      .join(""),
    created: nowSeconds,
    expires: token.expires ?? null,
  };
  const checked = storedToken.safeParse(entry);
  if (!checked.success) {
    throw new AdminError(
      "ADMIN_TOKENS",
      `Cannot create token: ${z.prettifyError(checked.error)}`,
    );
  }
  writeTokenFile(path, [...tokens, checked.data]);
  return secret;
}

/** Takes a token out of the file; `false` if there is none of that name. */
export function revokeToken(path: string, name: string): boolean {
  const tokens = readTokenFile(path);
  const kept = tokens.filter((token) => token.name !== name);
  if (kept.length === tokens.length) return false;
  writeTokenFile(path, kept);
  return true;
}

/** When tokens were used last, Unix seconds by name; empty if nothing is known. */
export function readLastUsed(path: string): ReadonlyMap<string, number> {
  try {
    const parsed = z.record(z.string(), z.int()).parse(
      JSON.parse(readFileSync(`${path}.used`, "utf8")),
    );
    return new Map(Object.entries(parsed));
  } catch {
    return new Map();
  }
}

/** Throws what the file system throws. */
export function writeLastUsed(path: string, used: ReadonlyMap<string, number>): void {
  replaceFile(`${path}.used`, `${JSON.stringify(Object.fromEntries(used))}\n`);
}

/** Roles that `picket token create` knows without a configuration. */
export const ROLE_NAMES: readonly string[] = Object.keys(BUILT_IN_ROLES);

function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    keepOwner(descriptor, path);
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}

/** An administrator makes tokens as root, and an agent that runs as somebody else must read them. */
function keepOwner(descriptor: number, path: string): void {
  if (process.platform === "win32" || process.getuid?.() !== 0) return;
  try {
    const { uid, gid } = statSync(existsSync(path) ? path : dirname(path));
    fchownSync(descriptor, uid, gid);
  } catch {
    // A file system without owners.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
