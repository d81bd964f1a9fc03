/**
 * Signatures for events that no schema is known of, worked out from the fields they have.
 *
 * Shapes that are much alike are put together, and for each heap the fewest fields are looked for that
 * tell it from the others. The result does not depend on the order of the events.
 *
 * @see inputs.md, section 16
 */
import { stringify } from "yaml";
import { internField } from "../event/field.ts";
import type { Signature } from "./builtin.ts";
import { describePredicate, foldAscii, type Predicate } from "./predicate.ts";
import type { FieldValues, SampleGroup } from "./samples.ts";
import { shapeText } from "./shape.ts";

/** What counts as a schema of its own. */
export interface DiscoveryOptions {
  /** Events a proposal must be made from. Default 3. */
  readonly minSupport?: number;
  /** Shapes are alike that share this part of their fields, 0 to 1. Default 0.6. */
  readonly similarity?: number;
  /** Default 20. */
  readonly maxCandidates?: number;
  /** Default 3. */
  readonly maxPredicates?: number;
  /** Whether values may tell schemas apart. Default `true`. */
  readonly valueMarkers?: boolean;
  /** Distinct values a field may have to tell a schema. Default 8. */
  readonly maxValueCardinality?: number;
  /** A field is part of a schema if this part of its events has it. Default 0.9. */
  readonly corePresence?: number;
}

export const DEFAULT_DISCOVERY: Required<DiscoveryOptions> = {
  minSupport: 3,
  similarity: 0.6,
  maxCandidates: 20,
  maxPredicates: 3,
  valueMarkers: true,
  maxValueCardinality: 8,
  corePresence: 0.9,
};

/** A signature that is proposed. */
export interface SchemaCandidate {
  readonly name: string;
  readonly specificity: number;
  readonly predicates: readonly Predicate[];
  /** Whether values were looked at. */
  readonly source: "corpus" | "keys-only";
  /** Events it was made from. */
  readonly support: number;
  /** What part of the mined events these are. */
  readonly coverage: number;
  readonly sampleFieldSets: readonly (readonly string[])[];
  /** Other events that it matches as well. */
  readonly overlapWarnings: readonly string[];
}

/** What discovery found. */
export interface Discovery {
  readonly eventsMined: number;
  readonly shapes: number;
  readonly clusters: number;
  readonly candidates: readonly SchemaCandidate[];
}

/** A field with more values on either side is not held against a shape. */
const MAX_GUARD_VALUES = 4;
const MAX_SAMPLES = 3;
const MAX_SAMPLE_KEYS = 24;
/** What each further value costs a field. */
const VALUE_PENALTY = 0.15;
/** The part of a schema's events in which a field must be a text for its values to tell. */
const MIN_TEXTS = 0.9;

interface Cluster {
  readonly seed: ReadonlySet<string>;
  readonly groups: SampleGroup[];
  count: number;
}

/** The JSON of a discovery. */
export interface DiscoveryReport {
  readonly summary: {
    readonly events_mined: number;
    readonly shapes: number;
    readonly clusters: number;
    readonly candidates: number;
    /** Where events were read for it. */
    readonly parse_errors?: number;
  };
  readonly candidates: readonly {
    readonly name: string;
    readonly specificity: number;
    readonly source: SchemaCandidate["source"];
    readonly support: number;
    readonly coverage_of_unknown: number;
    readonly predicates: readonly string[];
    readonly sample_field_sets: readonly (readonly string[])[];
    readonly overlap_warnings: readonly string[];
  }[];
  /** A schema file with the candidates. */
  readonly signatures_yaml: string;
}

/** `found` as it is written. */
export function discoveryReport(found: Discovery, parseErrors?: number): DiscoveryReport {
  const { eventsMined, shapes, clusters, candidates } = found;
  return {
    summary: {
      events_mined: eventsMined,
      shapes,
      clusters,
      candidates: candidates.length,
      ...(parseErrors === undefined ? {} : { parse_errors: parseErrors }),
    },
    candidates: candidates.map((one) => ({
      name: one.name,
      specificity: one.specificity,
      source: one.source,
      support: one.support,
      coverage_of_unknown: one.coverage,
      predicates: one.predicates.map(describePredicate),
      sample_field_sets: one.sampleFieldSets,
      overlap_warnings: one.overlapWarnings,
    })),
    signatures_yaml: signaturesYaml(candidates),
  };
}

/**
 * Proposes signatures.
 *
 * @param known Signatures that there are: what they match for sure is not proposed again.
 */
export function discoverSchemas(
  groups: readonly SampleGroup[],
  known: readonly Signature[],
  options: DiscoveryOptions = {},
): Discovery {
  const settings = { ...DEFAULT_DISCOVERY, ...options };
  const eventsMined = groups.reduce((sum, { count }) => sum + count, 0);
  const clusters = cluster(groups, settings);
  const names = new Set(known.map(({ name }) => name));
  const candidates = clusters
    .filter(({ count }) => count >= settings.minSupport)
    .map((one) => propose(one, clusters, eventsMined, settings))
    .filter((one) => one !== undefined)
    .filter((one) => !isShadowed(one, known))
    .map((one) => ({ ...one, name: uniqueName(one.name, names) }))
    .sort((left, right) =>
      right.support - left.support || right.coverage - left.coverage ||
      (left.name < right.name ? -1 : 1)
    )
    .slice(0, settings.maxCandidates);
  return { eventsMined, shapes: groups.length, clusters: clusters.length, candidates };
}

function cluster(
  groups: readonly SampleGroup[],
  settings: Required<DiscoveryOptions>,
): readonly Cluster[] {
  const sorted = groups.map((group) => ({ group, text: shapeText(group.keys) }))
    .sort((left, right) =>
      right.group.count - left.group.count || (left.text < right.text ? -1 : 1)
    );
  const clusters: Cluster[] = [];
  for (const { group } of sorted) {
    const home = clusters.find((one) =>
      jaccard(one.seed, group.keys) >= settings.similarity && !isOther(one, group, settings)
    );
    if (home === undefined) {
      clusters.push({ seed: new Set(group.keys), groups: [group], count: group.count });
    } else {
      home.groups.push(group);
      home.count += group.count;
    }
  }
  return clusters;
}

function jaccard(left: ReadonlySet<string>, right: readonly string[]): number {
  const shared = right.filter((key) => left.has(key)).length;
  return shared / (left.size + right.length - shared);
}

/** Whether a field that all of the cluster has takes other values in `group`: another kind of event. */
function isOther(
  one: Cluster,
  group: SampleGroup,
  { corePresence }: Required<DiscoveryOptions>,
): boolean {
  return [...group.fields].some(([key, { values }]) => {
    if (!isFew(values) || presence([one], key) < corePresence) return false;
    const known = clusterValues(one, key)?.values;
    return isFew(known) && [...values.keys()].every((value) => !known.has(value));
  });
}

function isFew(values: ReadonlyMap<string, number> | undefined): values is Map<string, number> {
  return values !== undefined && values.size > 0 && values.size <= MAX_GUARD_VALUES;
}

/** What part of the events of `clusters` has a field. */
function presence(clusters: readonly Cluster[], key: string): number {
  let all = 0;
  let having = 0;
  for (const { groups } of clusters) {
    for (const { keys, count } of groups) {
      all += count;
      if (keys.includes(key)) having += count;
    }
  }
  return all === 0 ? 0 : having / all;
}

/** The values of a field in a cluster; `undefined` where they are not looked at. */
function clusterValues({ groups }: Cluster, key: string): FieldValues | undefined {
  const all: FieldValues = { values: new Map(), texts: 0 };
  let isKnown = false;
  for (const { fields } of groups) {
    const field = fields.get(key);
    if (field === undefined) continue;
    isKnown = true;
    all.texts += field.texts;
    if (field.values === undefined) all.values = undefined;
    for (const [value, count] of field.values ?? []) {
      all.values?.set(value, (all.values.get(value) ?? 0) + count);
    }
  }
  return isKnown ? all : undefined;
}

interface Marker {
  readonly key: string;
  readonly score: number;
  readonly predicate: Predicate;
}

function propose(
  own: Cluster,
  clusters: readonly Cluster[],
  eventsMined: number,
  settings: Required<DiscoveryOptions>,
): SchemaCandidate | undefined {
  const others = clusters.filter((one) => one !== own);
  const keys = [...new Set(own.groups.flatMap(({ keys }) => keys))];
  const markers = keys
    .filter((key) => presence([own], key) >= settings.corePresence)
    .map((key) => marker(key, own, others, settings))
    .sort((left, right) => right.score - left.score || (left.key < right.key ? -1 : 1));
  const predicates: Predicate[] = [];
  let confused = others.flatMap(({ groups }) => groups);
  for (const { predicate } of markers) {
    if (predicates.length >= settings.maxPredicates) break;
    predicates.push(predicate);
    confused = confused.filter((group) => mayHold(predicate, group));
    if (confused.length === 0) break;
  }
  if (predicates.length === 0) return undefined;
  const overlap = confused.reduce((sum, { count }) => sum + count, 0);
  const hasValue = predicates.some(({ kind }) => kind === "equals" || kind === "in");
  const specificity = 60 + (hasValue ? 10 : 0) + 3 * (predicates.length - 1);
  return {
    name: `discovered_${slug(predicates)}`,
    specificity: Math.min(104, Math.max(55, specificity)),
    predicates,
    source: own.groups.some(({ fields }) => fields.size > 0) ? "corpus" : "keys-only",
    support: own.count,
    coverage: own.count / eventsMined,
    sampleFieldSets: own.groups.slice(0, MAX_SAMPLES)
      .map(({ keys }) => keys.slice(0, MAX_SAMPLE_KEYS)),
    overlapWarnings: overlap === 0
      ? []
      : [`${settings.maxPredicates} predicates do not tell it from ${overlap} other events`],
  };
}

function marker(
  key: string,
  own: Cluster,
  others: readonly Cluster[],
  settings: Required<DiscoveryOptions>,
): Marker {
  const field = settings.valueMarkers ? clusterValues(own, key) : undefined;
  const values = [...field?.values?.keys() ?? []].sort();
  const isTelling = values.length > 0 && values.length <= settings.maxValueCardinality &&
    field!.texts >= MIN_TEXTS * own.count;
  const among = isTelling ? new Set(values) : undefined;
  // Where values tell, it is those that others should not have, not the field.
  const score = fraction([own], key, among) - fraction(others, key, among) -
    VALUE_PENALTY * Math.log(1 + values.length);
  return { key, score, predicate: isTelling ? valuePredicate(key, values) : presentPredicate(key) };
}

/** What part of the events of `clusters` has a field, or one of some values in it. */
function fraction(
  clusters: readonly Cluster[],
  key: string,
  values: ReadonlySet<string> | undefined,
): number {
  if (values === undefined) return presence(clusters, key);
  let all = 0;
  let having = 0;
  for (const { count, fields } of clusters.flatMap(({ groups }) => groups)) {
    all += count;
    const field = fields.get(key);
    if (field?.values === undefined) having += field?.texts ?? 0;
    else for (const value of values) having += field.values.get(value) ?? 0;
  }
  return all === 0 ? 0 : having / all;
}

function presentPredicate(key: string): Predicate {
  return { kind: "present", field: internField(key) };
}

function valuePredicate(key: string, values: readonly string[]): Predicate {
  const field = internField(key);
  const folded = new Set(values.map(foldAscii));
  if (values.length > 1) return { kind: "in", field, values, folded };
  return { kind: "equals", field, value: values[0]!, folded: foldAscii(values[0]!) };
}

/** Whether an event of `group` may satisfy a predicate of ours. */
function mayHold(predicate: Predicate, { keys, fields }: SampleGroup): boolean {
  const among = (name: string, folded: ReadonlySet<string>): boolean => {
    if (!keys.includes(name)) return false;
    const field = fields.get(name);
    if (field?.values === undefined) return true;
    return [...field.values.keys()].some((value) => folded.has(foldAscii(value)));
  };
  switch (predicate.kind) {
    case "equals":
      return among(predicate.field.name, new Set([predicate.folded]));
    case "in":
      return among(predicate.field.name, predicate.folded);
    case "present":
      return keys.includes(predicate.field.name);
    default:
      return true;
  }
}

/** A signature of higher rank asks for less: the proposal would never win. */
function isShadowed(
  { predicates, specificity }: SchemaCandidate,
  known: readonly Signature[],
): boolean {
  const own = new Set(predicates.map(describePredicate));
  return known.some((signature) =>
    signature.specificity > specificity &&
    signature.predicates.every((one) => own.has(describePredicate(one)))
  );
}

function slug(predicates: readonly Predicate[]): string {
  const texts = [
    ...predicates.map((one) => one.kind === "equals" ? one.value : ""),
    ...predicates.map((one) => one.kind === "in" ? one.field.name : ""),
    ...predicates.map((one) => one.kind === "present" ? one.field.name : ""),
  ];
  const text = texts.find((one) => one !== "") ?? "";
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "") || "schema";
}

function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let number = 2; taken.has(unique); number++) unique = `${name}_${number}`;
  taken.add(unique);
  return unique;
}

/** Proposals as a schema file. */
export function signaturesYaml(candidates: readonly SchemaCandidate[]): string {
  if (candidates.length === 0) return "schemas: []\n";
  return stringify({
    schemas: candidates.map(({ name, specificity, predicates }) => ({
      name,
      specificity,
      match: predicates.map(predicateYaml),
    })),
  });
}

function predicateYaml(predicate: Predicate): unknown {
  switch (predicate.kind) {
    case "present":
      return { field_present: predicate.field.name };
    case "equals":
      return { equals: { field: predicate.field.name, value: predicate.value } };
    case "in":
      return { in: { field: predicate.field.name, values: predicate.values } };
    default:
      throw new RangeError(`Cannot write a predicate of kind ${predicate.kind}: never proposed`);
  }
}
