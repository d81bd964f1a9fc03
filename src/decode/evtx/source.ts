/**
 * Where the value of a field is in the records of one layout.
 *
 * A source is found once per layout and field; reading it is the hot path, so it is one class with a
 * number for its kind rather than a union of shapes.
 */
import type { Value } from "../../event/value.ts";
import type { Field, PathSegment } from "../../event/field.ts";
import type { Element, Leaf } from "./element.ts";

/** The records of the layout do not have the field. */
export const ABSENT = 0;
/** The template itself says it. */
export const CONSTANT = 1;
/** One substitution. */
export const SLOT = 2;
/** Several leaves that make one text. */
export const TEXT = 3;
/** Several elements with one name: their values as an array, or the only one of them. */
export const LIST = 4;
/** All unnamed `Data`: always an array. */
export const ROW = 5;
/** A `Data` element with elements inside. */
export const ELEMENT = 6;
/** A member of what another source gives. */
export const MEMBER = 7;
/** Another source's text as `{lower-case GUID}`. */
export const BRACED = 8;
/** Found by walking the projection. */
export const PATH = 9;
/** The first of several sources that has a value in the record. */
export const FIRST = 10;

export class Source {
  readonly kind: number;
  /** Of `SLOT`: the level and index of the substitution. */
  level = 0;
  index = 0;
  /** The constant; or what stands for an empty value, `undefined` when that means absent. */
  value: Value | undefined = undefined;
  alternate: string | undefined = undefined;
  leaves: readonly Leaf[] = NO_LEAVES;
  members: readonly Source[] = NO_SOURCES;
  element: Element | undefined = undefined;
  indexes: PathSegment["indexes"] = NO_INDEXES;
  /** Of `PATH`: what to look up in the projection. */
  field: Field | undefined = undefined;

  constructor(kind: number) {
    this.kind = kind;
  }
}

const NO_LEAVES: readonly Leaf[] = [];
const NO_SOURCES: readonly Source[] = [];
const NO_INDEXES: readonly number[] = [];

export const ABSENT_SOURCE = new Source(ABSENT);

export function pathSource(field: Field): Source {
  const source = new Source(PATH);
  source.field = field;
  return source;
}

export function constantSource(value: Value | undefined, alternate?: string): Source {
  const source = new Source(CONSTANT);
  source.value = value;
  source.alternate = alternate;
  return source;
}

/** The value of leaves; `empty` is what it is when they are empty. */
export function leavesSource(leaves: readonly Leaf[], empty: Value | undefined): Source {
  if (leaves.length === 0) return constantSource(empty);
  if (leaves.length > 1) {
    const source = new Source(TEXT);
    source.leaves = leaves;
    source.value = empty;
    return source;
  }
  const leaf = leaves[0]!;
  switch (leaf.kind) {
    case "text":
      return constantSource(leaf.text === "" ? empty : leaf.text);
    case "value":
      return constantSource(leaf.value ?? empty, leaf.alternate);
    case "slot": {
      const source = new Source(SLOT);
      source.level = leaf.level;
      source.index = leaf.index;
      source.value = empty;
      return source;
    }
  }
}

export function membersSource(kind: number, members: readonly Source[]): Source {
  const source = new Source(kind);
  source.members = members;
  return source;
}
