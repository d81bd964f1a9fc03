/**
 * What can be wrong with a schema file.
 */
import { PicketError } from "../event/errors.ts";

/** One thing that is wrong, or looks wrong. */
export interface SchemaProblem {
  /** From 1; `undefined` where it concerns the file as a whole. */
  readonly line: number | undefined;
  readonly message: string;
}

/** A schema file cannot be used; `problems` has everything that is wrong with it. */
export class SchemaError extends PicketError {
  override readonly name = "SchemaError";
  readonly code: "SCHEMA_YAML" | "SCHEMA_INVALID" | "SCHEMA_IO";
  readonly problems: readonly SchemaProblem[];

  /** @param path Of the file, as it was given. */
  constructor(
    code: SchemaError["code"],
    path: string,
    problems: readonly SchemaProblem[],
    options?: ErrorOptions,
  ) {
    const [first] = problems;
    const place = first?.line === undefined ? path : `${path}:${first.line}`;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    super(`Cannot use schema file ${place}: ${first?.message ?? "unknown"}${more}`, options);
    this.code = code;
    this.problems = problems;
  }
}
