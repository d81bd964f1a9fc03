/**
 * Field names as numbers.
 *
 * A rule asks for a field by name thousands of times a second, so a name is interned once, when a
 * rule is compiled, and carries everything a lookup needs: its number (an index into per-template
 * tables) and its parsed path.
 */

/** One step of a path: a key, and the positions in brackets behind it. */
export interface PathSegment {
  /** The name of a member. */
  readonly key: string;
  /** Negative ones count from the end. */
  readonly indexes: readonly number[];
}

/** An interned field name. The same name is always the same object. */
export interface Field {
  /** Dense, from 0. */
  readonly id: number;
  /** As rules write it. */
  readonly name: string;
  /** `undefined` when the name can only be a flat key (no `.`, `[` or `\`). */
  readonly path: readonly PathSegment[] | undefined;
  /** `name` is also a property of `Object.prototype`, so a lookup must ask for an own property. */
  readonly inherited: boolean;
}

const fields = new Map<string, Field>();

/** The one `Field` of this name. */
export function internField(name: string): Field {
  const known = fields.get(name);
  if (known !== undefined) return known;
  const field: Field = {
    id: fields.size,
    name,
    path: parsePath(name),
    inherited: name in Object.prototype,
  };
  fields.set(name, field);
  return field;
}

/** How many fields have been interned: the length of a table indexed by `Field.id`. */
export function fieldCount(): number {
  return fields.size;
}

const INDEXED = /^(.*?)((?:\[-?\d+\])+)$/;

/** Splits a field name at its dots; `a[0][-1]` carries positions, `\[` and `\]` are literal. */
function parsePath(name: string): readonly PathSegment[] | undefined {
  if (!/[.[\\]/.test(name)) return undefined;
  return name.split(".").map((segment) => {
    const indexed = segment.includes("\\]") ? null : INDEXED.exec(segment);
    const indexes = indexed === null
      ? []
      : [...indexed[2]!.matchAll(/\[(-?\d+)\]/g)].map((match) => Number(match[1]));
    const key = indexed === null ? segment : indexed[1]!;
    return { key: key.replace(/\\([[\]])/g, "$1"), indexes };
  });
}

/**
 * The keys at the top of an object under which a field can be: its name, and the names its path can
 * begin with, since a key may have dots of its own.
 */
export function topKeysOf(field: Field): ReadonlySet<string> {
  const keys = new Set([field.name]);
  let prefix = "";
  for (const { key } of field.path ?? []) {
    prefix = prefix === "" && keys.size === 1 ? key : `${prefix}.${key}`;
    keys.add(prefix);
  }
  return keys;
}
