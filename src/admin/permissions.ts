/**
 * Permissions and roles: `resource:action`, each part a name or `*`.
 *
 * @see daemon.md 4.2, 4.3 and 19.3
 */
import { AdminError } from "./errors.ts";

/** What a route asks for; always concrete. */
export type Permission = `${string}:${string}`;

/** One entry of a role or token. */
export interface Grant {
  readonly resource: string;
  readonly action: string;
  /** Written with `!`: covers the sensitive permissions as well. */
  readonly sensitive: boolean;
}

/**
 * What shows whole events, or who did what: a wildcard resource does not cover it, since who grants
 * `*:read` to a dashboard hardly thinks of raw logs.
 */
const SENSITIVE: ReadonlySet<string> = new Set(["tap:read", "audit:read"]);

const PART = /^(?:\*|[a-z0-9_-]+)$/;

/** The roles that always exist; a configuration may not define them anew. */
export const BUILT_IN_ROLES: Readonly<Record<string, readonly string[]>> = {
  reader: ["*:read"],
  operator: [
    "*:read",
    "silences:write",
    "dispositions:write",
    "sources:write",
    "fields:write",
    "schemas:write",
    "inputs:write",
    "sinks:write",
  ],
  ingest: ["events:ingest"],
  admin: ["*"],
};

/**
 * Parses a grant such as `silences:write`, `*:read`, `*:read!` or `*`.
 *
 * @param where Put before the message: `token 'x'`.
 * @throws {AdminError} `ADMIN_AUTH`
 */
export function parseGrant(text: string, where: string): Grant {
  const trimmed = text.trim();
  if (trimmed === "*") return { resource: "*", action: "*", sensitive: true };
  const sensitive = trimmed.endsWith("!");
  const parts = (sensitive ? trimmed.slice(0, -1) : trimmed).split(":");
  const [resource, action] = parts;
  if (
    parts.length !== 2 || resource === undefined || action === undefined ||
    !PART.test(resource) || !PART.test(action)
  ) {
    throw new AdminError(
      "ADMIN_AUTH",
      `${where}: invalid permission '${text}': write resource:action, ` +
        "each a lower-case name or *",
    );
  }
  // `*:*` is what `*` stands for.
  return { resource, action, sensitive: sensitive || (resource === "*" && action === "*") };
}

/** Whether one of `grants` covers `permission`. */
export function covers(grants: readonly Grant[], permission: Permission): boolean {
  const [resource, action] = permission.split(":");
  const guarded = SENSITIVE.has(permission);
  return grants.some((grant) =>
    (grant.action === "*" || grant.action === action) &&
    (grant.resource === resource ||
      (grant.resource === "*" && (!guarded || grant.sensitive)))
  );
}

/** Roles by name, built-in ones included. */
export type Roles = ReadonlyMap<string, readonly Grant[]>;

/**
 * Adds the roles of a configuration to the built-in ones.
 *
 * @throws {AdminError} `ADMIN_AUTH` for a built-in name, an empty list or an invalid permission.
 */
export function makeRoles(custom: Readonly<Record<string, readonly string[]>>): Roles {
  const roles = new Map<string, readonly Grant[]>();
  for (const [name, grants] of Object.entries(BUILT_IN_ROLES)) {
    roles.set(name, grants.map((grant) => parseGrant(grant, name)));
  }
  for (const [name, grants] of Object.entries(custom)) {
    if (Object.hasOwn(BUILT_IN_ROLES, name)) {
      throw new AdminError("ADMIN_AUTH", `role '${name}' is built in and cannot be redefined`);
    }
    if (name.trim() === "") throw new AdminError("ADMIN_AUTH", "role with empty name");
    if (grants.length === 0) {
      throw new AdminError("ADMIN_AUTH", `role '${name}' has an empty permission list`);
    }
    roles.set(name, grants.map((grant) => parseGrant(grant, `role '${name}'`)));
  }
  return roles;
}

/** What a token may have: exactly one of a role and a list of permissions. */
export interface Allowance {
  readonly role?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
}

/**
 * The grants of a token.
 *
 * @throws {AdminError} `ADMIN_AUTH` for both, neither, an unknown role or an invalid permission.
 */
export function resolveAllowance(
  name: string,
  allowance: Allowance,
  roles: Roles,
): readonly Grant[] {
  const { role, permissions } = allowance;
  if (role !== undefined && permissions !== undefined) {
    throw new AdminError(
      "ADMIN_AUTH",
      `token '${name}' sets both 'role' and 'permissions': use exactly one`,
    );
  }
  if (role !== undefined) {
    const grants = roles.get(role);
    if (grants === undefined) {
      throw new AdminError("ADMIN_AUTH", `token '${name}' references unknown role '${role}'`);
    }
    return grants;
  }
  if (permissions === undefined || permissions.length === 0) {
    throw new AdminError("ADMIN_AUTH", `token '${name}' needs a 'role' or a 'permissions' list`);
  }
  return permissions.map((grant) => parseGrant(grant, `token '${name}'`));
}
