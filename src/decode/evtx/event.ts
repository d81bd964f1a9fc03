/**
 * One Windows event as rules see it.
 *
 * Exported for the other rooms:
 * - `EvtxEvent`, a `LogEvent` with `alternateText(field)` and the getters `recordId`, `eventId`,
 *   `channel`, `provider`, `computer`, `timestampMs`, `timestampRemainder`, `timestampText`,
 *   `layoutId`, `offset`, `recovered`, and `snapshot()`;
 * - it comes from `decodeChunk` (`decode_chunk.ts`), whose `EvtxDecoder` reuses one object for all
 *   records: it is valid until the callback returns, `snapshot()` gives one that stays.
 *
 * Values are decoded when they are asked for. Which substitution a field is in is a question of the
 * record's layout (`layout.ts`), not of the record.
 */
import type { LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import { lookup, someLeafText } from "../../event/lookup.ts";
import type { TextGate } from "../../event/text_gate.ts";
import { scalarText, type Value, type ValueObject } from "../../event/value.ts";
import { u64 } from "./bytes.ts";
import type { Element } from "./element.ts";
import { fill, MAX_NODES } from "./fill.ts";
import { filetimeMs, filetimeRemainder, isFiletime } from "./filetime.ts";
import { Layout, textSources } from "./layout.ts";
import { someValueLeaf } from "../leaf_names.ts";
import { powerShellFields } from "./powershell.ts";
import { leavesValue, projectData, projectRecord, single } from "./project.ts";
import type { Slots } from "./slots.ts";
import {
  ABSENT,
  BRACED,
  CONSTANT,
  ELEMENT,
  FIRST,
  LIST,
  MEMBER,
  PATH,
  ROW,
  SLOT,
  type Source,
  TEXT,
} from "./source.ts";
import { FILETIME } from "./value_type.ts";
import type { ValueReader } from "./values.ts";

const NO_LAYOUT = new Layout(-1, { kind: "element", name: "Event", attributes: [], children: [] });
const NO_FIELDS: ReadonlyMap<string, string> = new Map();

/** A decoded record. Made by `EvtxDecoder`, which loads one record after another into it. */
export class EvtxEvent implements LogEvent {
  readonly product = "windows";
  readonly #values: ValueReader;
  readonly #slots: Slots;
  #layout = NO_LAYOUT;
  #recordAt = 0;
  #recordSize = 0;
  #chunkOffset = 0;
  #recovered = false;
  #projection: ValueObject | undefined;
  #powerShell: ReadonlyMap<string, string> | undefined;

  constructor(values: ValueReader, slots: Slots) {
    this.#values = values;
    this.#slots = slots;
  }

  /** Makes this the event of the record at `recordAt` of the current chunk; for the decoder only. */
  load(
    layout: Layout,
    recordAt: number,
    size: number,
    chunkOffset: number,
    recovered: boolean,
  ): void {
    this.#layout = layout;
    this.#recordAt = recordAt;
    this.#recordSize = size;
    this.#chunkOffset = chunkOffset;
    this.#recovered = recovered;
    this.#projection = undefined;
    this.#powerShell = undefined;
  }

  /** Where the record begins, in bytes from the start of the file. */
  get offset(): number {
    return this.#chunkOffset + this.#recordAt;
  }

  /** Size of the record in the file, in bytes. */
  get size(): number {
    return this.#recordSize;
  }

  /** Unix time in milliseconds at which the log service wrote the record. */
  get writtenMs(): number {
    return filetimeMs(this.#values.bytes, this.#recordAt + 16);
  }

  /** Read with a definition from elsewhere, or out of space the log had given up. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /**
   * Events of one layout have their fields in the same places, so what is decided by the presence of
   * fields can be remembered by this number: dense, from 0, within a decoder; -1 for events without
   * a shared layout.
   */
  get layoutId(): number {
    return this.#layout.id;
  }

  /** Where the values of this event and all of its kind are; for the other files of the decoder. */
  get layout(): Layout {
    return this.#layout;
  }

  /** The identifier in the record's header. */
  get recordId(): number | bigint {
    return u64(this.#values.bytes, this.#recordAt + 8);
  }

  get eventId(): number | undefined {
    const value = this.#read(this.#layout.eventId);
    return typeof value === "number" ? value : undefined;
  }

  get channel(): string | undefined {
    return text(this.#read(this.#layout.channel));
  }

  get provider(): string | undefined {
    return text(this.#read(this.#layout.provider));
  }

  get computer(): string | undefined {
    return text(this.#read(this.#layout.computer));
  }

  /**
   * Unix time of `TimeCreated`, in whole milliseconds; of the record's header when it has none, as
   * forwarding changes the header's.
   */
  get timestampMs(): number {
    const at = this.#timeAt();
    if (at >= 0) return filetimeMs(this.#values.bytes, at);
    return this.#textTime() ?? filetimeMs(this.#values.bytes, this.#recordAt + 16);
  }

  /** What `timestampMs` leaves out, in units of 100 ns: 0 to 9999. */
  get timestampRemainder(): number {
    const at = this.#timeAt();
    if (at >= 0) return filetimeRemainder(this.#values.bytes, at);
    if (this.#textTime() === undefined) {
      return filetimeRemainder(this.#values.bytes, this.#recordAt + 16);
    }
    const digits = /\.\d{3}(\d{1,4})/.exec(String(this.#read(this.#layout.time)));
    return digits === null ? 0 : Number(digits[1]!.padEnd(4, "0"));
  }

  /** `TimeCreated` as the projection writes it, in UTC with microseconds or as the record has it. */
  get timestampText(): string {
    const value = text(this.#read(this.#layout.time));
    if (value !== undefined && value !== "") return value;
    return scalarText(this.#values.decode(FILETIME, this.#recordAt + 16, 8)) ?? "";
  }

  get(field: Field): Value | undefined {
    const layout = this.#layout;
    const source = layout.sources[field.id] ?? layout.resolve(field);
    if (source.kind !== ABSENT) return this.#read(source);
    return layout.row.kind === ABSENT ? undefined : this.#powerShellField(field.name);
  }

  /**
   * A second spelling of the field's value, which rules may use in place of what `get` returns: the
   * `{lower-case}` form of a GUID, or the other one where `get` returns that; for a string with NUL characters in it, which `get` ends at the
   * first, the whole of it with U+2400 in their place.
   *
   * @returns `undefined` for all other values, and for several in one field.
   */
  alternateText(field: Field): string | undefined {
    const layout = this.#layout;
    const source = layout.sources[field.id] ?? layout.resolve(field);
    if (source.kind === CONSTANT) return source.alternate;
    if (source.kind === BRACED) return text(this.#read(source.members[0]!));
    if (source.kind !== SLOT) return undefined;
    return this.#slots.alternateOf(this.#slots.slot(source.level, source.index));
  }

  /** Looks at the record's bytes instead of decoding its values. */
  mayContain(gate: TextGate): boolean {
    const { utf16 } = gate;
    if (utf16 === undefined || this.#slots.hasAnsi || this.#layout.id < 0) return true;
    if (this.#layout.mayContain(gate)) return true;
    return utf16.test(this.#values.latin1(this.#recordAt, this.#recordAt + this.#recordSize));
  }

  /** Visits `Data` without a name too, which the projection leaves out beside named ones. */
  someText(visit: (text: string) => boolean): boolean {
    const layout = this.#layout;
    layout.texts ??= textSources(layout.root);
    for (const source of layout.texts) {
      const value = this.#read(source);
      if (value === undefined || value === null || value === "") continue;
      if (typeof value === "string" ? visit(value) : someLeafText(value, scalarText, visit)) {
        return true;
      }
    }
    return false;
  }

  /** The names of the layout: an optional part of it counts also where this record has none. */
  someFieldName(visit: (name: string) => boolean): boolean {
    return this.#layout.isOpen
      ? someValueLeaf(this.toValue(), visit)
      : this.#layout.fieldNames.some(visit);
  }

  /** The projection: `{"Event": {"#attributes": …, "System": …, "EventData": …}}`. */
  toValue(): ValueObject {
    if (this.#projection !== undefined) return this.#projection;
    const members = projectRecord(this.tree(), this.#slots);
    if (this.#recovered) members._evtx = { recovered: true };
    return this.#projection = members;
  }

  /** The record's elements; leaves that name slots have their values in `slots`. */
  tree(): Element {
    const { root } = this.#layout;
    if (this.#slots.arrayBytes === 0 || this.#layout.id < 0) return root;
    return fill(root, this.#slots, { nodes: MAX_NODES }, () => undefined);
  }

  /** The values that the leaves of `tree()` name. */
  get slots(): Slots {
    return this.#slots;
  }

  /** An event of its own, which stays valid when the decoder goes on; it copies the record. */
  snapshot(): EvtxEvent {
    const end = this.#recordAt + this.#recordSize;
    const values = this.#values.over(this.#values.bytes.slice(this.#recordAt, end));
    const copy = new EvtxEvent(values, this.#slots.copy(values, this.#recordAt));
    copy.load(this.#layout, 0, this.#recordSize, this.offset, this.#recovered);
    return copy;
  }

  #read(source: Source): Value | undefined {
    switch (source.kind) {
      case SLOT: {
        const slots = this.#slots;
        const value = slots.valueOf(slots.slot(source.level, source.index));
        if (value === undefined) return source.value;
        return typeof value === "object" ? single(value) : value;
      }
      case CONSTANT:
        return source.value;
      case TEXT:
        return leavesValue(source.leaves, this.#slots) ?? source.value;
      case LIST: {
        const values = this.#readAll(source.members);
        return values.length === 0 ? undefined : single(values);
      }
      case ROW:
        return this.#readAll(source.members);
      case ELEMENT:
        return projectData(source.element!, this.#slots);
      case MEMBER: {
        let value = this.#read(source.members[0]!);
        for (const index of source.indexes) {
          if (!Array.isArray(value)) return undefined;
          value = (value as readonly Value[]).at(index);
        }
        return value;
      }
      case BRACED: {
        const guid = text(this.#read(source.members[0]!));
        return guid === undefined ? undefined : `{${guid.replace(/[{}]/g, "").toLowerCase()}}`;
      }
      case FIRST:
        for (const member of source.members) {
          const value = this.#read(member);
          if (value !== undefined) return value;
        }
        return undefined;
      case PATH:
        return lookup(this.toValue(), source.field!);
      default:
        return undefined;
    }
  }

  #readAll(sources: readonly Source[]): readonly Value[] {
    const values: Value[] = [];
    for (const source of sources) {
      const value = this.#read(source);
      if (Array.isArray(value)) { for (const item of value as readonly Value[]) values.push(item); }
      else if (value !== undefined) values.push(value);
    }
    return values;
  }

  /** Where the FILETIME of `TimeCreated` is, or -1. */
  #timeAt(): number {
    const { time } = this.#layout;
    if (time.kind !== SLOT) return -1;
    const slots = this.#slots;
    const slot = slots.slot(time.level, time.index);
    if (slot < 0 || slots.typeOf(slot) !== FILETIME || slots.sizeOf(slot) < 8) return -1;
    const at = slots.offsetOf(slot);
    return isFiletime(this.#values.bytes, at) ? at : -1;
  }

  #textTime(): number | undefined {
    const ms = Date.parse(text(this.#read(this.#layout.time)) ?? "");
    return Number.isNaN(ms) ? undefined : ms;
  }

  #powerShellField(name: string): string | undefined {
    if (this.#powerShell === undefined) {
      const isClassic = this.channel === "Windows PowerShell";
      this.#powerShell = isClassic
        ? powerShellFields(this.eventId, this.#read(this.#layout.row))
        : NO_FIELDS;
    }
    return this.#powerShell.get(name);
  }
}

function text(value: Value | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
