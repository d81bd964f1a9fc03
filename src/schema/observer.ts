/**
 * How many events there are of each schema, and what those look like that are of none.
 *
 * Names of fields are kept, values never.
 *
 * @see inputs.md, section 16
 */
import type { LogEvent } from "../event/event.ts";
import { CATCH_ALL } from "./builtin.ts";
import type { SchemaClassifier } from "./classifier.ts";
import { mostFirst } from "./field_observer.ts";
import { type ShapeKeys, ShapeReader, shapeText } from "./shape.ts";

/** Distinct shapes that are counted; further ones are not. */
export const MAX_SHAPES = 200;

/** A set of field names and how many events had it. */
export interface ShapeCount {
  readonly keys: ShapeKeys;
  readonly count: number;
}

/** Counts of classified events. */
export interface SchemaTotals {
  readonly classified: number;
  readonly unknown: number;
  readonly ambiguous: number;
  /** Most first, then by name. */
  readonly bySchema: readonly (readonly [schema: string, count: number])[];
}

/** What was counted since the last reset; survives `structuredClone`. */
export interface SchemaCounts extends SchemaTotals {
  readonly events: number;
  /** Of events of no schema; most first. */
  readonly unknownShapes: readonly ShapeCount[];
  /** Of events of no schema or only the catch-all; empty unless discovery is on. */
  readonly minedShapes: readonly ShapeCount[];
}

class Totals {
  classified = 0;
  unknown = 0;
  ambiguous = 0;
  readonly bySchema = new Map<string, number>();

  add(schema: string | undefined, isAmbiguous: boolean, count = 1): void {
    if (schema === undefined) {
      this.unknown += count;
      return;
    }
    this.classified += count;
    if (isAmbiguous) this.ambiguous += count;
    this.bySchema.set(schema, (this.bySchema.get(schema) ?? 0) + count);
  }

  merge(other: SchemaTotals): void {
    this.unknown += other.unknown;
    this.ambiguous += other.ambiguous;
    for (const [schema, count] of other.bySchema) this.add(schema, false, count);
  }

  clear(): void {
    this.classified = this.unknown = this.ambiguous = 0;
    this.bySchema.clear();
  }

  snapshot(): SchemaTotals {
    const { classified, unknown, ambiguous, bySchema } = this;
    return { classified, unknown, ambiguous, bySchema: [...bySchema].sort(mostFirst) };
  }
}

class Shapes {
  readonly #counts = new Map<string, { readonly keys: ShapeKeys; count: number }>();

  add(keys: ShapeKeys, count = 1): void {
    const text = shapeText(keys);
    const known = this.#counts.get(text);
    if (known !== undefined) known.count += count;
    else if (this.#counts.size < MAX_SHAPES) this.#counts.set(text, { keys, count });
  }

  clear(): void {
    this.#counts.clear();
  }

  snapshot(): readonly ShapeCount[] {
    return [...this.#counts].sort(([left, { count: many }], [right, { count: few }]) =>
      mostFirst([left, many], [right, few])
    ).map(([, { keys, count }]) => ({ keys, count }));
  }
}

/** Counts schemas; give it every event. */
export class SchemaObserver {
  /** Exchanged when the schema file has changed. */
  classifier: SchemaClassifier;
  readonly isDiscovering: boolean;
  readonly #current = new Totals();
  readonly #lifetime = new Totals();
  readonly #unknown = new Shapes();
  readonly #mined = new Shapes();
  readonly #shapes = new ShapeReader();

  /** @param discover Also counts the shapes that `discoverSchemas` works from. */
  constructor(classifier: SchemaClassifier, discover: boolean) {
    this.classifier = classifier;
    this.isDiscovering = discover;
  }

  /** Counts `event`. Never throws. */
  observe(event: LogEvent): void {
    const found = this.classifier.classify(event);
    const schema = found?.schema;
    const isAmbiguous = found?.isAmbiguous === true;
    this.#current.add(schema, isAmbiguous);
    this.#lifetime.add(schema, isAmbiguous);
    const isMined = this.isDiscovering && (found === undefined || schema === CATCH_ALL);
    if (found !== undefined && !isMined) return;
    const keys = this.#shapes.shapeOf(event);
    if (found === undefined) this.#unknown.add(keys);
    if (isMined && keys.length > 0) this.#mined.add(keys);
  }

  /** Adds what another observer has counted since its last reset. */
  merge(other: SchemaCounts): void {
    this.#current.merge(other);
    this.#lifetime.merge(other);
    for (const { keys, count } of other.unknownShapes) this.#unknown.add(keys, count);
    for (const { keys, count } of other.minedShapes) this.#mined.add(keys, count);
  }

  /** What has been counted since the last reset. */
  snapshot(): SchemaCounts {
    const totals = this.#current.snapshot();
    return {
      ...totals,
      events: totals.classified + totals.unknown,
      unknownShapes: this.#unknown.snapshot(),
      minedShapes: this.#mined.snapshot(),
    };
  }

  /** What has been counted since the start. */
  lifetime(): SchemaTotals {
    return this.#lifetime.snapshot();
  }

  /** Begins anew; lifetime counts go on. */
  reset(): void {
    this.#current.clear();
    this.#unknown.clear();
    this.#mined.clear();
  }
}
