/**
 * Texts with references to an alert and to the environment: `${detection.rule.title}`, `${TOKEN}`.
 *
 * Webhooks and enrichers share this notation. What is put in is never read as a template again.
 *
 * @see enrichment.md, section 6; delivery.md, section 20.13 for `${NAME:-default}`
 */
import { jsonText } from "../event/json_text.ts";
import { isObject, numberText, type Value, type ValueObject } from "../event/value.ts";
import type { Alert } from "./alert.ts";

export type TemplateNamespace = "detection" | "correlation" | "alert";

export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "env"; readonly name: string; readonly fallback: string | undefined }
  | {
    readonly kind: "value";
    readonly namespace: TemplateNamespace;
    readonly path: string;
    readonly reference: string;
  }
  /** A reference that means nothing; renders empty. */
  | { readonly kind: "malformed"; readonly reference: string };

export type Template = readonly TemplatePart[];

/** `${` and at least one character other than `}`. */
const REFERENCE = /\$\{([^}]+)\}/g;
const WITH_DEFAULT = /^([A-Za-z_][A-Za-z0-9_]*):-([^]*)$/;
/** What `${alert.…}` can name: the alert around the result. */
const ALERT_PATHS = new Set([
  "id",
  "kind",
  "level",
  "rule_id",
  "rule_title",
  "source_id",
  "created_at",
  "event_time",
  "agent_id",
  "host",
]);

/** Cuts a text into parts. Never fails: `${`, `${}` and `$NAME` are texts. */
export function parseTemplate(text: string): Template {
  const parts: TemplatePart[] = [];
  let from = 0;
  for (const match of text.matchAll(REFERENCE)) {
    if (match.index > from) parts.push({ kind: "text", text: text.slice(from, match.index) });
    parts.push(parseReference(match[1]!));
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ kind: "text", text: text.slice(from) });
  return parts;
}

function parseReference(reference: string): TemplatePart {
  for (const namespace of ["detection", "correlation", "alert"] as const) {
    if (!reference.startsWith(`${namespace}.`)) continue;
    const path = reference.slice(namespace.length + 1);
    if (namespace === "alert" && !ALERT_PATHS.has(path)) return { kind: "malformed", reference };
    return { kind: "value", namespace, path, reference };
  }
  const withDefault = WITH_DEFAULT.exec(reference);
  if (withDefault !== null) {
    return { kind: "env", name: withDefault[1]!, fallback: withDefault[2]! };
  }
  if (reference.includes(".")) return { kind: "malformed", reference };
  return { kind: "env", name: reference, fallback: undefined };
}

/** Whether the text differs from alert to alert. */
export function dependsOnAlert(template: Template): boolean {
  return template.some(({ kind }) => kind === "value");
}

export type Lookup = (name: string) => string | undefined;

/** Gives what a reference stands for. */
export type ValueLookup = (namespace: TemplateNamespace, path: string) => string;

/**
 * Puts values and variables in.
 *
 * @param values `undefined` where there is no alert; its references are empty then.
 * @param escape Applied to everything that is put in, variables included.
 */
export function renderTemplate(
  template: Template,
  env: Lookup,
  values: ValueLookup | undefined,
  escape: (text: string) => string = (text) => text,
): string {
  let text = "";
  for (const part of template) {
    switch (part.kind) {
      case "text":
        text += part.text;
        break;
      case "env":
        text += escape(variable(part, env) ?? "");
        break;
      case "value":
        text += escape(values?.(part.namespace, part.path) ?? "");
        break;
      case "malformed":
        break;
    }
  }
  return text;
}

/** The value of a variable, or its default where that counts as unset. */
export function variable(
  { name, fallback }: { readonly name: string; readonly fallback: string | undefined },
  env: Lookup,
): string | undefined {
  const value = env(name);
  return fallback !== undefined && (value === undefined || value === "") ? fallback : value;
}

/** The inside of a JSON text: what may stand between two quotes. */
export function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/**
 * What the references of a template stand for in `alert`.
 *
 * A reference of the other kind is empty. Alerts of kind `gap` answer as detections.
 *
 * @param body `alert.body`, read.
 */
export function alertValues(alert: Omit<Alert, "seq">, body: Value): ValueLookup {
  const result = isObject(body) ? body : {};
  const isCorrelation = alert.kind === "correlation";
  return (namespace, path) => {
    switch (namespace) {
      case "alert":
        return alertValue(alert, result, path);
      case "detection":
        return isCorrelation ? "" : detectionValue(result, path);
      case "correlation":
        return isCorrelation ? correlationValue(result, path) : "";
    }
  };
}

function alertValue(alert: Omit<Alert, "seq">, result: ValueObject, path: string): string {
  const agent = isObject(result.agent) ? result.agent : {};
  switch (path) {
    case "id":
      return alert.id;
    case "kind":
      return alert.kind;
    case "level":
      return alert.level ?? "";
    case "rule_id":
      return alert.ruleId ?? "";
    case "rule_title":
      return alert.ruleTitle;
    case "source_id":
      return alert.sourceId;
    case "created_at":
      return new Date(alert.createdMs).toISOString();
    case "event_time":
      return alert.eventMs === undefined ? "" : new Date(alert.eventMs).toISOString();
    case "agent_id":
      return textOf(agent.id);
    case "host":
      return textOf(agent.host);
    default:
      return "";
  }
}

/** The paths that both kinds have. */
function ruleValue(result: ValueObject, path: string): string | undefined {
  switch (path) {
    case "rule.title":
      return textOf(result.rule_title);
    case "rule.id":
      return textOf(result.rule_id);
    case "rule.level":
      return textOf(result.level);
    case "tags":
      return Array.isArray(result.tags) ? result.tags.map(textOf).join(",") : "";
    default:
      return undefined;
  }
}

function detectionValue(result: ValueObject, path: string): string {
  const common = ruleValue(result, path);
  if (common !== undefined) return common;
  if (path.startsWith("fields.")) {
    const name = path.slice("fields.".length);
    const fields: readonly Value[] = Array.isArray(result.matched_fields)
      ? result.matched_fields
      : [];
    const found = fields.find((one) => isObject(one) && one.field === name);
    return isObject(found) ? textOf(found.value) : "";
  }
  if (path === "event") return result.event === undefined ? "" : jsonText(result.event);
  return path.startsWith("event.") ? textOf(walk(result.event, path.slice("event.".length))) : "";
}

function correlationValue(result: ValueObject, path: string): string {
  const common = ruleValue(result, path);
  if (common !== undefined) return common;
  const pairs: readonly Value[] = Array.isArray(result.group_key) ? result.group_key : [];
  const groups = pairs.filter((pair): pair is readonly Value[] => Array.isArray(pair));
  switch (path) {
    case "type":
      return textOf(result.correlation_type);
    case "aggregated_value":
      return typeof result.aggregated_value === "number"
        ? numberText(result.aggregated_value)
        : textOf(result.aggregated_value);
    case "timespan_secs":
      return textOf(result.timespan_secs);
    case "group_key":
      return groups.map(([name, value]) => `${textOf(name)}=${textOf(value)}`).join(",");
  }
  if (!path.startsWith("group_key.")) return "";
  const name = path.slice("group_key.".length);
  return textOf(groups.find(([first]) => first === name)?.[1]);
}

/** Steps through objects and, by decimal index, arrays. */
function walk(from: Value | undefined, path: string): Value | undefined {
  let value = from;
  for (const step of path.split(".")) {
    if (Array.isArray(value)) value = /^\d{1,9}$/.test(step) ? value[Number(step)] : undefined;
    else if (isObject(value)) value = Object.hasOwn(value, step) ? value[step] : undefined;
    else return undefined;
  }
  return value;
}

function textOf(value: Value | undefined): string {
  switch (typeof value) {
    case "string":
      return value;
    case "undefined":
      return "";
    default:
      return value === null ? "" : jsonText(value);
  }
}
