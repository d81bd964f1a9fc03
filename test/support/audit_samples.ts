/**
 * What an event must hold for a rule to fire, read from the rule, and audit records that hold it.
 */
import { isIPv6 } from "node:net";
import type {
  Condition,
  Detection,
  DetectionRule,
  Item,
  Pattern,
  StringToken,
} from "../../src/sigma/rule.ts";
import { auditId, callLines, type CallSpec, inetAddress, userLine } from "../arbitraries/auditd.ts";

/** Texts by field; keywords under the empty name. */
export type Wants = ReadonlyMap<string, readonly string[]>;

/** Ways of a condition that are followed; rules have a handful. */
const MAX_WAYS = 64;

/**
 * Ways to fulfil the rule, as far as they can be read from it: of alternatives one each, of a list of
 * values the first. What must not be is left out: samples hold nothing beyond what is asked for.
 */
export function waysToFire(rule: DetectionRule): readonly Wants[] {
  const byName = new Map(rule.selections.map(({ name, detection }) => [name, detection]));
  return rule.conditions.flatMap((condition) => ofCondition(condition, byName)).slice(0, MAX_WAYS);
}

function ofCondition(
  condition: Condition,
  byName: ReadonlyMap<string, Detection>,
): readonly Wants[] {
  switch (condition.kind) {
    case "and":
      return all(condition.children.map((child) => ofCondition(child, byName)));
    case "or":
      return condition.children.flatMap((child) => ofCondition(child, byName));
    case "not":
      return [new Map()];
    case "selection":
      return ofDetection(byName.get(condition.name)!);
    case "quantified": {
      const each = condition.names.map((name) => ofDetection(byName.get(name)!));
      return condition.need === "all" ? all(each) : each.flat();
    }
  }
}

function ofDetection(detection: Detection): readonly Wants[] {
  switch (detection.kind) {
    case "all_of":
      return all(detection.items.map(ofItem));
    case "any_of":
      return detection.branches.flatMap(ofDetection);
    case "and":
      return all(detection.branches.map(ofDetection));
    case "keywords":
      return ofItem(detection.item);
    case "array":
      return [];
  }
}

function ofItem({ field = "", patterns, all: needsAll }: Item): readonly Wants[] {
  const texts = patterns.map(sampleOf);
  if (needsAll) return [new Map([[field, texts]])];
  return texts.slice(0, 3).map((text) => new Map([[field, [text]]]));
}

/** Combinations; a text that several parts ask for stands once. */
function all(parts: readonly (readonly Wants[])[]): readonly Wants[] {
  let ways: readonly Wants[] = [new Map()];
  for (const part of parts) {
    const next = ways.flatMap((way) =>
      part.map((more) => {
        const merged = new Map(way);
        for (const [field, texts] of more) {
          merged.set(field, [...new Set([...merged.get(field) ?? [], ...texts])]);
        }
        return merged;
      })
    );
    ways = next.slice(0, MAX_WAYS);
  }
  return ways;
}

/** A text that the pattern accepts; `sampleOfRegex` knows what SigmaHQ's expressions are made of. */
function sampleOf(pattern: Pattern): string {
  switch (pattern.kind) {
    case "string": {
      const text = tokensText(pattern.tokens);
      switch (pattern.operator) {
        case "equals":
        case "contains":
          return text;
        // Marks by which texts for the same field are put together.
        case "startswith":
          return `${text}\u2026`;
        case "endswith":
          return `\u2026${text}`;
      }
    }
    // falls through is impossible: every operator returns
    case "number":
      return pattern.text;
    case "regex":
      return sampleOfRegex(pattern.source);
    case "cidr":
      return pattern.network.split("/")[0]!;
    case "any":
      return sampleOf(pattern.patterns[0]!);
    default:
      return "";
  }
}

function tokensText(tokens: readonly StringToken[]): string {
  return tokens.map((token) =>
    token.kind === "text"
      ? token.text
      : token.kind === "dash"
      ? "-"
      : token.kind === "one"
      ? "x"
      : ""
  ).join("");
}

/** Alternatives and sets by their first member, repetitions by their least number. */
export function sampleOfRegex(source: string): string {
  let at = 0;
  const alternatives = (): string => {
    let first: string | undefined;
    let text = "";
    while (at < source.length && source[at] !== ")") {
      if (source[at] === "|") {
        first ??= text;
        text = "";
        at++;
      } else {
        text += repeated();
      }
    }
    return first ?? text;
  };
  const repeated = (): string => {
    const one = atom();
    const count = /^(?:([*+?])|\{(\d+)(?:,\d*)?\})\??/.exec(source.slice(at));
    if (count === null) return one;
    at += count[0].length;
    const least = count[2] === undefined ? (count[1] === "+" ? 1 : 0) : Number(count[2]);
    return one.repeat(least);
  };
  const atom = (): string => {
    const char = source[at++]!;
    if (char === "(") {
      const group = /^\?(?:i\)|:|<\w+>)?/.exec(source.slice(at));
      if (group !== null) at += group[0].length;
      if (group?.[0] === "?i)") return "";
      const text = alternatives();
      at++;
      return text;
    }
    if (char === "[") {
      const end = source.indexOf("]", at + 1);
      const set = source.slice(at, end);
      at = end + 1;
      if (!set.startsWith("^")) return set[0] === "\\" ? escaped(set[1]!) : set[0]!;
      return [..."a1x-"].find((one) => !new RegExp(`[${set.slice(1)}]`).test(one)) ?? "a";
    }
    if (char === "\\") return escaped(source[at++]!);
    if (char === "^" || char === "$") return "";
    return char === "." ? "x" : char;
  };
  return alternatives();
}

function escaped(char: string): string {
  switch (char) {
    case "d":
    case "w":
      return "1";
    case "s":
      return " ";
    case "S":
      return "x";
    case "b":
      return "";
    default:
      return char;
  }
}

/** One text that starts, contains and ends as it is asked to; `separator` stands between parts. */
function compose(texts: readonly string[] | undefined, separator: string): string | undefined {
  if (texts === undefined) return undefined;
  const starts = texts.filter((text) => text.endsWith("\u2026")).map((text) => text.slice(0, -1));
  const ends = texts.filter((text) => text.startsWith("\u2026")).map((text) => text.slice(1));
  const middle = texts.filter((text) => !text.includes("\u2026"));
  const kept = middle.filter((text) => !ends.some((end) => end === text));
  const [start = "", end = ""] = [starts[0], ends[0]];
  return [start, ...kept, end].filter((text) => text !== "").join(separator);
}

/** The same kind of event with nothing in it that the rule asks for. */
export function ordinary(wants: Wants): Wants {
  const isKindOnly = [...wants.keys()].every((name) => name === "type" || name === "SYSCALL");
  return new Map([...wants].map(([name, texts]): [string, readonly string[]] => {
    switch (name) {
      case "type":
        return [name, isKindOnly && !wants.has("SYSCALL") ? ["CONFIG_CHANGE"] : texts];
      case "SYSCALL":
        return [name, isKindOnly ? ["getpid"] : texts];
      case "euid":
        return [name, ["1000"]];
      case "nametype":
        return [name, ["NORMAL"]];
      default:
        return [name, ["ordinary"]];
    }
  }));
}

/** Names that no record tells. */
export const UNANSWERED: ReadonlySet<string> = new Set([
  "ParentImage",
  "ParentCommandLine",
  "DestinationHostname",
  "Hashes",
  "OriginalFileName",
]);

/** Records by which what is wanted comes true; `undefined` where no record tells it. */
export function recordsFor(
  wants: Wants,
  category: string | undefined,
  serial: number,
): readonly string[] | undefined {
  for (const name of wants.keys()) if (UNANSWERED.has(name)) return undefined;
  const one = (name: string) => compose(wants.get(name), "");
  const id = auditId(serial);
  const type = one("type")?.toUpperCase();
  if (type === "SERVICE_STOP" || type === "ADD_USER" || type?.endsWith("TTY")) {
    return [userLine(id, type, { unit: one("unit") ?? "x", comm: '"systemd"', res: "success" })];
  }
  const numbered = [...wants.keys()].filter((name) => /^a\d+$/.test(name));
  const keywords = wants.get("") ?? [];
  const call = one("SYSCALL");
  const isCall = call !== undefined;
  const arity = Math.max(-1, ...numbered.map((name) => Number(name.slice(1)))) + 1;
  const args = Array.from({ length: arity }, (_, at) => one(`a${at}`) ?? "x");
  const command = compose(wants.get("CommandLine"), " ");
  const isExecution = category === "process_creation" || type === "EXECVE" ||
    (!isCall && (numbered.length > 0 || keywords.length > 0));
  const words = command === undefined
    ? [...args, ...args.length === 0 ? ["prog"] : [], ...keywords]
    : command.split(" ");
  const target = wants.get("TargetFilename");
  // Rules for files of a name elsewhere leave out the place where they belong.
  const isEnd = target?.every((text) => text.startsWith("\u2026"));
  const name = one("name") ?? (isEnd ? `/opt${one("TargetFilename")}` : one("TargetFilename"));
  const exe = one("Image") ?? one("exe") ?? "/usr/bin/prog";
  const address = one("DestinationIp") ?? "203.0.113.9";
  const isConnection = category === "network_connection";
  const spec: CallSpec = {
    syscall: call ?? (isExecution ? "execve" : isConnection ? "connect" : "openat"),
    exe: exe.startsWith("/") ? exe : `/usr/bin/${exe}`,
    cwd: one("CurrentDirectory") ?? "/",
    ...(isCall ? { registers: args } : isExecution ? { args: words } : {}),
    ...(one("comm") === undefined ? {} : { comm: one("comm")! }),
    ...(one("key") === undefined ? {} : { keys: [one("key")!, "other"] }),
    ...(one("euid") === undefined ? {} : { euid: Number(one("euid")) }),
    ...(one("User") === undefined ? {} : { uid: 0, users: { UID: one("User")! } }),
    ...(name === undefined ? {} : {
      paths: [{ name: "/usr/bin/prog" }, {
        name: name.startsWith("/") ? name : `/opt/${name}`,
        nametype: one("nametype") ?? (category === "file_event" ? "CREATE" : "NORMAL"),
      }],
    }),
    ...(isConnection && !isIPv6(address)
      ? { saddr: inetAddress(address, Number(one("DestinationPort") ?? 443)) }
      : {}),
  };
  return callLines(id, isCall && call === "execve" ? { ...spec, args: ["prog"] } : spec);
}
