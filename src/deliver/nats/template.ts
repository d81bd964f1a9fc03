/**
 * Subjects and header values with references to the alert: `picket.alert.${agent.id}.${alert.level}`.
 */
import type { Alert } from "../../runtime/alert.ts";
import { DeliveryError } from "../../runtime/errors.ts";
import { isSubscription, subjectToken } from "../../runtime/nats/names.ts";

/** What references can name besides the alert. */
export interface TemplateScope {
  readonly agent: { readonly id: string; readonly host: string };
  /** Labels of the agent, and by source id those of the sources, which go before. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly sourceLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

interface Reference {
  /** Whether it is the same for every alert. */
  readonly fixed: boolean;
  value(alert: Alert): string;
}

type Part = string | Reference;

/** A subject made anew for each alert. */
export interface SubjectTemplate {
  /** Concrete and safe, whatever the values hold. */
  subject(alert: Alert): string;
  /** Matches every subject this agent can make: what differs between alerts is `*`. */
  readonly filter: string;
}

const ALERT_REFERENCES: Readonly<Record<string, (alert: Alert) => string>> = {
  "alert.id": ({ id }) => id,
  "alert.kind": ({ kind }) => kind,
  "alert.level": ({ level }) => level ?? "",
  "alert.rule_id": ({ ruleId }) => ruleId ?? "",
  "alert.rule_title": ({ ruleTitle }) => ruleTitle,
  "source.id": ({ sourceId }) => sourceId,
};

/**
 * @throws {DeliveryError} `config` for unknown references and what can never be a subject.
 */
export function subjectTemplate(text: string, scope: TemplateScope): SubjectTemplate {
  const parts = parse(text, scope);
  const render = (value: (part: Reference) => string) =>
    parts.map((part) => typeof part === "string" ? part : value(part)).join("");
  const filter = render(({ value, fixed }) => fixed ? subjectToken(value(FIXED)) : "*")
    // `alert-*` is no wildcard: the whole token has to be one.
    .split(".").map((one) => one.includes("*") ? "*" : one).join(".");
  if (
    /[*>]/.test(parts.filter((part) => typeof part === "string").join("")) ||
    !isSubscription(filter)
  ) {
    throw new DeliveryError("config", `Cannot publish to ${text}: not a subject without wildcards`);
  }
  return {
    subject: (alert) => notInternal(render(({ value }) => subjectToken(value(alert)))),
    filter: notInternal(filter),
  };
}

/**
 * @returns The value as header text: one line.
 * @throws {DeliveryError} `config` for unknown references.
 */
export function headerTemplate(text: string, scope: TemplateScope): (alert: Alert) => string {
  const parts = parse(text, scope);
  return (alert) =>
    parts.map((part) => typeof part === "string" ? part : part.value(alert)).join("")
      .replace(/\p{Cc}+/gu, " ").trim();
}

/** `$JS.API…` and `$SYS…` are the server's own; no value may lead there. */
function notInternal(subject: string): string {
  return subject.startsWith("$") ? `_${subject.slice(1)}` : subject;
}

/** Stands in where the alert makes no difference. */
const FIXED: Alert = {
  seq: 0,
  id: "",
  kind: "detection",
  level: null,
  ruleId: null,
  ruleTitle: "",
  sourceId: "",
  createdMs: 0,
  eventMs: undefined,
  body: "",
};

function parse(text: string, scope: TemplateScope): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  while (at < text.length) {
    const begin = text.indexOf("${", at);
    if (begin < 0) break;
    const end = text.indexOf("}", begin);
    if (end < 0) throw new DeliveryError("config", `Cannot read ${text}: \${ without }`);
    if (begin > at) parts.push(text.slice(at, begin));
    const reference = text.slice(begin + 2, end).trim();
    parts.push(resolve(reference, text, scope));
    at = end + 1;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

function resolve(reference: string, text: string, scope: TemplateScope): Reference {
  const { agent, labels = {}, sourceLabels = {} } = scope;
  if (reference === "agent.id") return { fixed: true, value: () => agent.id };
  if (reference === "agent.host") return { fixed: true, value: () => agent.host };
  if (Object.hasOwn(ALERT_REFERENCES, reference)) {
    return { fixed: false, value: ALERT_REFERENCES[reference]! };
  }
  const name = /^label\.(.+)$/.exec(reference)?.[1];
  if (name === undefined) {
    const names = ["agent.id", "agent.host", ...Object.keys(ALERT_REFERENCES), "label.NAME"];
    throw new DeliveryError(
      "config",
      `Cannot use \${${reference}} in ${text}: known are ${names.join(", ")}`,
    );
  }
  const general = Object.hasOwn(labels, name) ? labels[name]! : undefined;
  const own = new Map(
    Object.entries(sourceLabels).filter(([, one]) => Object.hasOwn(one, name))
      .map(([sourceId, one]) => [sourceId, one[name]!]),
  );
  if (general === undefined && own.size === 0) {
    throw new DeliveryError(
      "config",
      `Cannot use \${${reference}} in ${text}: neither the agent nor a source has such a label`,
    );
  }
  return {
    fixed: own.size === 0,
    value: ({ sourceId }) => own.get(sourceId) ?? general ?? "",
  };
}
