/**
 * Older and shorter notations in Picket's own words: rsigma's sections, and sources and sinks that
 * are written as one text.
 *
 * Works on the merged tree, so that a flag over `api.addr` beats a file's `daemon.api.addr` and the
 * other way round. What Picket does not have is said once per section.
 *
 * @see daemon.md, section 11.4
 */
import { ConfigError, type ConfigProblem } from "./problems.ts";
import { foreignSchema, OTHER_SECTIONS } from "./schema_daemon.ts";
import { parseSinkSpec, parseSourceSpec, type SpecResult } from "./specs.ts";
import {
  type ConfigNode,
  type ConfigValue,
  isUnset,
  type KeyPath,
  nodeAt,
  nodeOf,
  pathText,
  withNode,
  withoutNode,
} from "./tree.ts";
import { validate } from "./validate.ts";

export interface Translated {
  readonly root: ConfigNode;
  readonly problems: readonly ConfigProblem[];
}

/** Keys that only move. */
const MOVES: readonly (readonly [from: string, to: string])[] = [
  ["daemon.api.addr", "api.addr"],
  ["daemon.api.tls.cert", "api.tls.cert"],
  ["daemon.api.tls.key", "api.tls.key"],
  ["daemon.api.tls.client_ca", "api.tls.client_ca"],
  ["daemon.api.tls.min_version", "api.tls.min_version"],
  ["daemon.api.tls.allow_plaintext", "api.tls.allow_plaintext"],
  ["daemon.api.auth", "api.auth"],
  ["daemon.api.audit.enabled", "api.audit.enabled"],
  ["daemon.api.audit.max_entries", "api.audit.max_entries"],
  ["daemon.api.audit.max_age", "api.audit.max_age"],
  ["daemon.api.audit.max_body_bytes", "api.audit.max_body_bytes"],
  ["daemon.input.buffer_size", "limits.buffer_size"],
  ["daemon.input.batch_size", "limits.batch_size"],
  ["daemon.output.include_event", "rules.include_event"],
  ["daemon.output.webhooks", "webhooks"],
  ["daemon.output.dlq", "dead_letters.sink"],
  ["daemon.state.db", "state.path"],
  ["daemon.engine.match_detail", "rules.match_detail"],
  ["daemon.engine.egress_policy", "egress.policy"],
  ["daemon.tap.enabled", "tap.enabled"],
  ["daemon.tap.buffer_events", "tap.buffer_events"],
  ["daemon.tap.max_sessions", "tap.max_sessions"],
  ["daemon.tap.max_duration", "tap.max_duration"],
  ["daemon.tail.enabled", "tail.enabled"],
  ["daemon.tail.buffer_events", "tail.buffer_events"],
  ["daemon.tail.max_sessions", "tail.max_sessions"],
  ["daemon.logsource_routing.enabled", "rules.logsource_routing"],
  ["daemon.logsource_routing.field_map", "rules.logsource_fields"],
  ["daemon.schema.observe", "schema.observe"],
  ["daemon.schema.discover", "schema.discover"],
  ["daemon.schema.routing", "schema.routing"],
  ["daemon.schema.config", "schema.config"],
  ["daemon.schema.on_unknown", "schema.on_unknown"],
  ["daemon.schema.partition_rules", "schema.partition_rules"],
  ["daemon.engine.observe_fields", "observe_fields.enabled"],
  ["daemon.engine.observe_fields_max_keys", "observe_fields.max_keys"],
  ["daemon.output.sinks", "sinks"],
  ["global.log_format", "log.format"],
];

/** What those of them mean that Picket does not have. */
const NOT_SUPPORTED: readonly string[] = [
  "daemon.pipelines",
  "daemon.sources",
  "daemon.enrichers",
  "daemon.alert_pipeline",
  "daemon.risk",
  "daemon.api.audit.sink",
  "daemon.correlation",
  "daemon.engine.allow_remote_include",
  "daemon.dispositions",
  ...Object.keys(OTHER_SECTIONS).filter((key) => key !== "global" && key !== "eval"),
];

/** Keys whose purpose is met in another way. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  "daemon.output.retry_max": "alerts wait on disk and are tried until they are delivered",
  "daemon.output.batch_flush_ms": "see linger of a sink",
  "daemon.state.save_interval": "the state is saved with every batch",
  "daemon.engine.bloom_prefilter": "rules are always indexed",
  "daemon.engine.bloom_max_bytes": "rules are always indexed",
  "daemon.engine.cross_rule_ac": "rules are always indexed",
  "daemon.logsource_routing.strict": "it has no effect in rsigma either",
  "global.color": "use --color",
  "global.output_format": "use --output-format",
  "eval": "picket eval takes flags",
};

/** Translates a merged tree. */
export function translate(merged: ConfigNode): Translated {
  const problems: ConfigProblem[] = [];
  let root = merged;
  const isForeign = FOREIGN.some((section) => nodeAt(root, [section]) !== undefined);
  if (!isForeign) return { root: translateSpecs(root, problems), problems };
  problems.push(...validate(foreignSchema, foreignPart(root)).problems);
  if (problems.length === 0) {
    root = moveKeys(root, problems);
    root = translateRules(root, problems);
    root = translateInput(root, problems);
    root = translateSinkDefaults(translateSpecs(root, problems));
    root = translateDrain(root);
    warnAboutTheRest(root, problems);
  } else root = translateSpecs(root, problems);
  for (const section of FOREIGN) root = withoutNode(root, [section]);
  return { root, problems };
}

const FOREIGN: readonly string[] = ["daemon", ...Object.keys(OTHER_SECTIONS)];

function foreignPart(root: ConfigNode): ConfigNode {
  if (root.kind !== "map") return root;
  const entries = [...root.entries].filter(([key]) => FOREIGN.includes(key));
  return { ...root, entries: new Map(entries) };
}

function moveKeys(root: ConfigNode, problems: ConfigProblem[]): ConfigNode {
  let result = root;
  for (const [from, to] of MOVES) {
    const node = nodeAt(result, from.split("."));
    if (node === undefined || isUnset(node)) continue;
    result = place(result, renamed(node, from), to.split("."), problems);
  }
  return result;
}

/** rsigma has one path of rules. */
function translateRules(root: ConfigNode, problems: ConfigProblem[]): ConfigNode {
  const node = nodeAt(root, ["daemon", "rules"]);
  if (node === undefined || isUnset(node)) return root;
  const item = renamed(node, "daemon.rules");
  return place(root, { ...item, kind: "list", items: [item] }, ["rules", "paths"], problems);
}

/** Notes on a node and all below it under which name it was written. */
function renamed(node: ConfigNode, path: string): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, writtenAs: path };
    case "list":
      return {
        ...node,
        writtenAs: path,
        items: node.items.map((item, at) => renamed(item, `${path}[${at}]`)),
      };
    case "map": {
      const entries = [...node.entries].map(([key, entry]) =>
        [key, { ...entry, node: renamed(entry.node, `${path}.${key}`) }] as const
      );
      return { ...node, writtenAs: path, entries: new Map(entries) };
    }
  }
}

/** Puts a node where it belongs unless something of the same or a higher layer is there. */
function place(
  root: ConfigNode,
  node: ConfigNode,
  path: KeyPath,
  problems: ConfigProblem[],
): ConfigNode {
  const there = nodeAt(root, path);
  if (there === undefined || isUnset(there) || there.layer < node.layer) {
    return withNode(root, path, node);
  }
  if (there.layer === node.layer) {
    problems.push({
      severity: "warning",
      path: node.writtenAs ?? pathText(path),
      message: `is ignored: ${pathText(path)} says the same`,
      origin: node.origin,
    });
  }
  return root;
}

/** `daemon.input.source` and what belongs to it is the one source. */
function translateInput(root: ConfigNode, problems: ConfigProblem[]): ConfigNode {
  const written = nodeAt(root, ["daemon", "input", "source"]);
  const format = nodeAt(root, ["daemon", "input", "format"]);
  const zone = nodeAt(root, ["daemon", "input", "syslog_tz"]);
  const strip = nodeAt(root, ["daemon", "input", "syslog_strip_bom"]);
  const jq = nodeAt(root, ["daemon", "input", "jq"]);
  const jsonPath = nodeAt(root, ["daemon", "input", "jsonpath"]);
  const group = nodeAt(root, ["daemon", "nats", "consumer_group"]);
  const logsource = nodeAt(root, ["daemon", "logsource_routing", "event_logsource"]);
  const first = written ?? format ?? zone ?? strip ?? jq ?? jsonPath;
  if (first === undefined) return root;
  const common = {
    origin: first.origin,
    layer: first.layer,
    writtenAs: written === undefined ? "daemon.input" : "daemon.input.source",
  };
  const text = written?.kind === "scalar" ? String(written.value) : "stdin";
  const parsed = parseNode(text, common, parseSourceSpec, problems);
  if (parsed === undefined) return root;
  let source = nodeOf(parsed, common);
  if (format !== undefined) {
    source = withNode(source, ["format"], renamed(format, "daemon.input.format"));
  }
  if (zone !== undefined) {
    source = withNode(source, ["syslog_tz"], renamed(zone, "daemon.input.syslog_tz"));
  }
  if (strip !== undefined) {
    const moved = renamed(strip, "daemon.input.syslog_strip_bom");
    source = withNode(source, ["syslog_strip_bom"], moved);
  }
  for (const [kind, node] of [["jq", jq], ["jsonpath", jsonPath]] as const) {
    if (node === undefined || isUnset(node)) continue;
    source = withNode(source, ["filter", kind], renamed(node, `daemon.input.${kind}`));
  }
  if (logsource !== undefined) {
    source = withNode(
      source,
      ["logsource"],
      renamed(logsource, "daemon.logsource_routing.event_logsource"),
    );
  }
  if (group !== undefined && parsed["type"] === "nats") {
    const path = ["consumer", "durable"];
    source = withNode(source, path, renamed(group, "daemon.nats.consumer_group"));
  }
  return place(root, { ...common, kind: "list", items: [source] }, ["sources"], problems);
}

/** Batching and pauses that rsigma sets for all sinks at once. */
function translateSinkDefaults(root: ConfigNode): ConfigNode {
  const sinks = nodeAt(root, ["sinks"]);
  if (sinks?.kind !== "list") return root;
  const items = sinks.items.map((item) => {
    let sink = item;
    for (const [from, to, unit] of SINK_DEFAULTS) {
      const node = nodeAt(root, ["daemon", "output", from]);
      if (node?.kind !== "scalar" || sink.kind !== "map" || sink.entries.has(to)) continue;
      const type = nodeAt(sink, ["type"]);
      if (to === "pretty" && !(type?.kind === "scalar" && type.value === "stdout")) continue;
      const value = unit === "" ? node.value : `${String(node.value)}${unit}`;
      sink = withNode(sink, [to], { ...node, value, writtenAs: `daemon.output.${from}` });
    }
    return sink;
  });
  return withNode(root, ["sinks"], { ...sinks, items });
}

const SINK_DEFAULTS: readonly (readonly [from: string, to: string, unit: string])[] = [
  ["backoff_base_ms", "backoff_base", "ms"],
  ["backoff_max_ms", "backoff_max", "ms"],
  ["batch_max", "batch_max", ""],
  ["pretty", "pretty", ""],
];

/** `daemon.output.drain_timeout` in seconds is `stop.deliver`. */
function translateDrain(root: ConfigNode): ConfigNode {
  const node = nodeAt(root, ["daemon", "output", "drain_timeout"]);
  if (node?.kind !== "scalar") return root;
  const written = {
    ...node,
    value: `${String(node.value)}s`,
    writtenAs: "daemon.output.drain_timeout",
  };
  return place(root, written, ["stop", "deliver"], []);
}

function warnAboutTheRest(root: ConfigNode, problems: ConfigProblem[]): void {
  for (const path of NOT_SUPPORTED) {
    const node = nodeAt(root, path.split("."));
    if (node === undefined || isUnset(node)) continue;
    problems.push(warning(path, node, "is not supported by this version and has no effect"));
  }
  for (const [path, reason] of Object.entries(NOT_NEEDED)) {
    const node = nodeAt(root, path.split("."));
    if (node === undefined || isUnset(node)) continue;
    problems.push(warning(path, node, `has no effect: ${reason}`));
  }
}

function warning(path: string, node: ConfigNode, message: string): ConfigProblem {
  return { severity: "warning", path, message, origin: node.origin };
}

/** Texts in `sources`, `sinks` and `dead_letters.sink` as mappings. */
function translateSpecs(root: ConfigNode, problems: ConfigProblem[]): ConfigNode {
  let result = root;
  for (
    const [section, parse] of [["sources", parseSourceSpec], ["sinks", parseSinkSpec]] as const
  ) {
    const node = nodeAt(result, [section]);
    if (node === undefined) continue;
    // One that is not put into a list is a list of one.
    const list = node.kind === "list" ? node.items : isUnset(node) ? [] : [node];
    const items = list.map((item, at) => {
      const path = node.kind === "list" ? `${section}[${at}]` : section;
      return specNode(item, path, parse, problems);
    });
    result = withNode(result, [section], { ...node, kind: "list", items });
  }
  const dead = nodeAt(result, ["dead_letters", "sink"]);
  if (dead === undefined) return result;
  return withNode(
    result,
    ["dead_letters", "sink"],
    specNode(dead, "dead_letters.sink", parseSinkSpec, problems),
  );
}

type ParseSpec = (text: string, origin: ConfigNode["origin"]) => SpecResult;

function specNode(
  node: ConfigNode,
  path: string,
  parse: ParseSpec,
  problems: ConfigProblem[],
): ConfigNode {
  if (node.kind !== "scalar" || typeof node.value !== "string") return node;
  const common = { origin: node.origin, layer: node.layer, writtenAs: node.writtenAs ?? path };
  const value = parseNode(node.value, common, parse, problems);
  return value === undefined ? node : nodeOf(value, common);
}

function parseNode(
  text: string,
  common: { readonly origin: ConfigNode["origin"]; readonly writtenAs: string },
  parse: ParseSpec,
  problems: ConfigProblem[],
): { readonly [key: string]: ConfigValue | undefined } | undefined {
  try {
    const { value, warnings } = parse(text, common.origin);
    for (const message of warnings) {
      problems.push({
        severity: "warning",
        path: common.writtenAs,
        message,
        origin: common.origin,
      });
    }
    return value;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems.map((problem) => ({ ...problem, path: common.writtenAs })));
    return undefined;
  }
}
