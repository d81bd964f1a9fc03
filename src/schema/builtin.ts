/**
 * The schemas that Picket knows by itself, and what each implies of the logsource.
 *
 * Beyond the reference: Windows events in flat JSON, as Sigma's own field names have them, are
 * `windows_eventlog` too, not `generic_json`.
 *
 * @see inputs.md, section 13.2
 */
import { type Field, internField } from "../event/field.ts";
import { foldAscii, type Predicate } from "./predicate.ts";

/** What a schema tells of the logsource of its events; lower-case. */
export interface SchemaLogsource {
  readonly product?: string;
  readonly service?: string;
  readonly category?: string;
  readonly custom?: Readonly<Record<string, string>>;
}

/** A schema and how its events are told from others. */
export interface Signature {
  /** Several may share one. */
  readonly name: string;
  /** Higher ones are asked first. */
  readonly specificity: number;
  /** All of them must hold. */
  readonly predicates: readonly Predicate[];
  /** Whether it comes from a schema file. */
  readonly isOwn: boolean;
}

/** The schema of events that nothing else is known of than that they have fields. */
export const CATCH_ALL = "generic_json";

const present = (name: string): Predicate => ({ kind: "present", field: internField(name) });
const anyOf = (...names: readonly string[]): Predicate => ({
  kind: "any_of",
  fields: names.map(internField),
});
const any = (...predicates: readonly Predicate[]): Predicate => ({ kind: "any", predicates });
const equals = (name: string, value: string): Predicate => ({
  kind: "equals",
  field: internField(name),
  value,
  folded: foldAscii(value),
});
const oneOf = (name: string, ...values: readonly string[]): Predicate => ({
  kind: "in",
  field: internField(name),
  values,
  folded: new Set(values.map(foldAscii)),
});
const matches = (name: string, source: string, pattern: RegExp): Predicate => ({
  kind: "matches",
  field: internField(name),
  source,
  pattern,
});
const azureId = matches("id", "(?i)^/subscriptions/", /^\/subscriptions\//i);

type Row = readonly [name: string, specificity: number, ...predicates: readonly Predicate[]];

const ROWS: readonly Row[] = [
  [
    "ecs_windows",
    105,
    present("ecs.version"),
    any(
      present("winlog.channel"),
      present("winlog.event_id"),
      equals("host.os.type", "windows"),
      equals("os.type", "windows"),
    ),
  ],
  [
    "ecs_linux",
    105,
    present("ecs.version"),
    any(equals("host.os.type", "linux"), equals("os.type", "linux"), present("host.os.kernel")),
  ],
  ["ecs", 100, present("ecs.version")],
  ["ocsf", 95, present("class_uid"), present("metadata.version")],
  [
    "gcp_audit",
    95,
    equals("protoPayload.@type", "type.googleapis.com/google.cloud.audit.AuditLog"),
  ],
  [
    "k8s_audit",
    92,
    equals("kind", "Event"),
    matches("apiVersion", "^audit\\.k8s\\.io/", /^audit\.k8s\.io\//),
    present("auditID"),
  ],
  [
    "github_audit",
    92,
    present("action"),
    present("actor"),
    anyOf("org", "repo"),
    anyOf("created_at", "_document_id"),
  ],
  ["windows_eventlog", 90, anyOf("Event.System.EventID", "Event.System.Provider")],
  [
    "azure_activitylogs",
    90,
    oneOf("category", "Administrative", "Policy", "Security"),
    azureId,
    present("operationName"),
  ],
  [
    "azure_auditlogs",
    90,
    equals("category", "AuditLogs"),
    present("properties.activityDisplayName"),
  ],
  [
    "azure_signinlogs",
    90,
    equals("category", "SignInLogs"),
    present("properties.userDisplayName"),
  ],
  ["sysmon", 88, equals("Channel", "Microsoft-Windows-Sysmon/Operational")],
  ["sysmon", 88, equals("Provider_Name", "Microsoft-Windows-Sysmon")],
  [
    "okta_system_log",
    88,
    present("eventType"),
    present("actor"),
    present("published"),
    present("outcome"),
  ],
  [
    "m365_audit",
    88,
    present("RecordType"),
    present("Operation"),
    present("CreationTime"),
    present("Workload"),
  ],
  // Ours: `EventID` and `Channel` under the names Sigma has for them, as Windows collectors write.
  ["windows_eventlog", 86, present("EventID"), present("Channel")],
  ["cef", 85, present("deviceVendor"), present("deviceProduct"), present("signatureId")],
  [
    "aws_cloudtrail",
    85,
    present("eventVersion"),
    present("eventSource"),
    present("eventID"),
    present("userIdentity"),
  ],
  [
    "onelogin_events",
    85,
    present("event_type_id"),
    present("account_id"),
    anyOf("user_id", "actor_user_id"),
  ],
  ["sysmon", 80, present("EventID"), present("ProcessGuid"), anyOf("Image", "CommandLine")],
  [
    "aws_vpcflow",
    80,
    present("srcaddr"),
    present("dstaddr"),
    oneOf("action", "ACCEPT", "REJECT"),
  ],
  // Ours, too: without a channel the provider tells.
  [
    "windows_eventlog",
    78,
    present("EventID"),
    anyOf("Provider_Name", "ProviderName", "ProviderGuid", "SourceName"),
  ],
  [
    "osquery_result",
    75,
    present("name"),
    present("hostIdentifier"),
    oneOf("action", "added", "removed", "snapshot"),
    anyOf("columns", "snapshot"),
  ],
  ["docker_events", 70, present("Type"), present("Action"), present("Actor")],
  ["azure", 65, azureId],
  [CATCH_ALL, 0, { kind: "has_any_field" }],
];

/** Signatures that are always there. */
export const BUILT_IN_SIGNATURES: readonly Signature[] = ROWS.map(
  ([name, specificity, ...predicates]) => ({ name, specificity, predicates, isOwn: false }),
);

/** Schemas whose events are bound where the other one is, unless they are bound themselves. */
export const BUILT_IN_ALIASES: ReadonlyMap<string, string> = new Map([
  ["ecs_windows", "ecs"],
  ["ecs_linux", "ecs"],
]);

/** What is implied by a schema's name. */
export const IMPLIED_LOGSOURCES: ReadonlyMap<string, SchemaLogsource> = new Map<
  string,
  SchemaLogsource
>([
  ["ecs_windows", { product: "windows" }],
  ["ecs_linux", { product: "linux" }],
  ["gcp_audit", { product: "gcp", service: "gcp.audit" }],
  ["k8s_audit", { custom: { platform: "kubernetes", source: "k8s.audit" } }],
  ["github_audit", { product: "github", service: "audit" }],
  ["windows_eventlog", { product: "windows" }],
  ["azure_activitylogs", { product: "azure", service: "activitylogs" }],
  ["azure_auditlogs", { product: "azure", service: "auditlogs" }],
  ["azure_signinlogs", { product: "azure", service: "signinlogs" }],
  ["sysmon", { product: "windows", service: "sysmon" }],
  ["okta_system_log", { product: "okta", service: "okta" }],
  ["m365_audit", { product: "m365", service: "audit" }],
  ["aws_cloudtrail", { product: "aws", service: "cloudtrail" }],
  ["onelogin_events", { product: "onelogin", service: "onelogin.events" }],
  ["aws_vpcflow", { product: "aws", custom: { source: "vpcflow" } }],
  ["osquery_result", { custom: { platform: "osquery", source: "osquery.result" } }],
  ["docker_events", { custom: { platform: "docker", source: "docker.events" } }],
]);

/** The fields that a predicate looks at, each once for each time it does. */
export function predicateFields(predicate: Predicate): readonly Field[] {
  switch (predicate.kind) {
    case "present":
    case "absent":
    case "equals":
    case "matches":
    case "compare":
    case "in":
      return [predicate.field];
    case "any_of":
      return predicate.fields;
    case "same":
      return [predicate.left, predicate.right];
    case "not":
      return predicateFields(predicate.predicate);
    case "any":
    case "all":
      return predicate.predicates.flatMap(predicateFields);
    case "has_any_field":
      return [];
  }
}
