/**
 * Events as the schema room meets them: with the fields of known schemas, of none, and of any shape.
 */
import fc from "fast-check";
import { FlatEvent, PlainEvent } from "../../src/decode/flat_event.ts";
import { decodeJsonLine, type JsonEvent } from "../../src/decode/json.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { BUILT_IN_SIGNATURES, predicateFields } from "../../src/schema/builtin.ts";

/** Every field that a built-in signature asks for. */
export const SCHEMA_FIELDS: readonly string[] = [
  ...new Set(
    BUILT_IN_SIGNATURES.flatMap(({ predicates }) =>
      predicates.flatMap(predicateFields).map(({ name }) => name)
    ),
  ),
];

/** Values that signatures compare with, in either case, and others. */
const value = fc.oneof(
  fc.constantFrom(
    "Event",
    "windows",
    "LINUX",
    "audit.k8s.io/v1",
    "/Subscriptions/1",
    "AuditLogs",
    "policy",
    "accept",
    "added",
    "Microsoft-Windows-Sysmon",
    "microsoft-windows-sysmon/operational",
    "type.googleapis.com/google.cloud.audit.AuditLog",
  ),
  fc.string({ maxLength: 8 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 }),
);

const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...SCHEMA_FIELDS) },
  fc.constantFrom("_raw", "foo", "a.b", "__proto__", "toString", ""),
  fc.string({ maxLength: 6 }),
);

/** `a.b` as a nested object, as often as as a flat key. */
function nested(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, leaf] of entries) {
    const keys = path.split(".");
    let place = root;
    for (const key of keys.slice(0, -1)) {
      if (!Object.hasOwn(place, key) || typeof place[key] !== "object" || place[key] === null) {
        Object.defineProperty(place, key, { value: {}, enumerable: true, configurable: true });
      }
      place = place[key] as Record<string, unknown>;
    }
    Object.defineProperty(place, keys.at(-1)!, {
      value: leaf,
      enumerable: true,
      configurable: true,
    });
  }
  return root;
}

const entries = fc.array(fc.tuple(name, value), { maxLength: 12 });

/** A JSON event from a value. */
export function jsonEvent(root: unknown): JsonEvent {
  return decodeJsonLine(JSON.stringify(root));
}

/** Events of every model. */
export const schemaEvent: fc.Arbitrary<LogEvent> = fc.oneof(
  { weight: 4, arbitrary: entries.map((pairs) => jsonEvent(Object.fromEntries(pairs))) },
  { weight: 4, arbitrary: entries.map((pairs) => jsonEvent(nested(pairs))) },
  fc.array(fc.tuple(name, fc.string({ maxLength: 8 })), { maxLength: 8 })
    .map((pairs) => new FlatEvent(pairs)),
  fc.string().map((line) => new PlainEvent(line)),
  fc.jsonValue({ maxDepth: 4 }).map((root) => jsonEvent(root)),
);
