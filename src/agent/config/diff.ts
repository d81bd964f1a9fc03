/**
 * What a reload changes: which parts, which sources and sinks, and what only a restart can change.
 *
 * @see daemon.md, section 19.5
 */
import { isDeepStrictEqual } from "node:util";
import type { LoadedConfig } from "./load.ts";
import type { CheckedConfig } from "./schema.ts";
import { leavesOf } from "./show.ts";
import { type ConfigValue, type KeyPath, pathText } from "./tree.ts";
import { valueAt } from "./validate.ts";

export interface ConfigDiff {
  /** Keys of the top level that changed. */
  readonly parts: readonly ChangedPart[];
  readonly sources: MemberDiff;
  readonly sinks: MemberDiff;
  /** Key paths whose new values count after a restart only. */
  readonly restart: readonly string[];
}

export interface ChangedPart {
  readonly part: keyof CheckedConfig;
  readonly paths: readonly string[];
  readonly needsRestart: boolean;
}

/** By id. A member that changed must be made anew. */
export interface MemberDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

/** What is set up once: the state file, listeners, names of metrics, the agent's identity. */
const RESTART: readonly string[] = [
  "agent.id",
  "state",
  "api.enabled",
  "api.addr",
  "api.tls",
  "api.max_connections",
  "ui.enabled",
  "limits.buffer_size",
  "metrics.prefix",
];

/** Compares two configurations. What secrets have become is not looked at. */
export function diffConfig(before: LoadedConfig, after: LoadedConfig): ConfigDiff {
  const parts: ChangedPart[] = [];
  const restart: string[] = [];
  for (const part of Object.keys(after.effective) as (keyof CheckedConfig)[]) {
    const paths = changedPaths(before.effective[part], after.effective[part], [part]);
    if (paths.length === 0) continue;
    const needing = paths.filter(needsRestart);
    restart.push(...needing);
    parts.push({ part, paths, needsRestart: needing.length > 0 });
  }
  return {
    parts,
    sources: diffMembers(members(before, "sources"), members(after, "sources")),
    sinks: diffMembers(members(before, "sinks"), members(after, "sinks")),
    restart,
  };
}

function needsRestart(path: string): boolean {
  return RESTART.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
}

function changedPaths(
  before: ConfigValue | undefined,
  after: ConfigValue | undefined,
  at: KeyPath,
): readonly string[] {
  const old = before ?? null;
  const now = after ?? null;
  const paths = [...leavesOf(old, at), ...leavesOf(now, at)].map(({ path }) => path);
  const changed = paths.filter((path) => {
    const inside = path.slice(at.length);
    return !isDeepStrictEqual(valueAt(old, inside), valueAt(now, inside));
  });
  return [...new Set(changed.map(pathText))];
}

/** By id, with everything that decides what a source or sink is made of. */
function members(
  { effective }: LoadedConfig,
  section: "sources" | "sinks",
): ReadonlyMap<string, unknown> {
  return new Map(effective[section].map((member) => {
    const shared = member.type === "nats"
      ? effective.nats
      : member.type === "http" && section === "sinks"
      ? effective.egress
      : section === "sources"
      ? effective.limits.max_line_bytes
      : undefined;
    return [member.id ?? member.type, { member, shared }];
  }));
}

function diffMembers(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): MemberDiff {
  const both = [...after.keys()].filter((id) => before.has(id));
  return {
    added: [...after.keys()].filter((id) => !before.has(id)),
    removed: [...before.keys()].filter((id) => !after.has(id)),
    changed: both.filter((id) => !isDeepStrictEqual(before.get(id), after.get(id))),
  };
}
