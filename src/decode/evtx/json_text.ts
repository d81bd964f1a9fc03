/**
 * Records straight to JSON text, without building the projection: for `picket evtx dump`.
 *
 * Records with one layout and the same types in their slots, empty ones in the same places, have the
 * same text around their values. That text is compiled once for each such shape; what is left per
 * record is to copy constants and to write values from their bytes. Six times as fast as
 * `JSON.stringify` of the projection.
 */
import { jsonText } from "../../event/json_text.ts";
import type { ByteBuffer } from "./byte_buffer.ts";
import type { EvtxEvent } from "./event.ts";
import { compileJson, EMPTY, type JsonProgram } from "./json_program.ts";
import { MAX_VALUE_OVERHEAD, MAX_VALUE_RATIO, ValueWriter } from "./json_values.ts";

/** Shapes kept for a layout; Security events have some dozens. */
const MAX_SHAPES = 512;
/** Layouts remembered; real logs have some hundreds. */
const MAX_LAYOUTS = 4096;
/** Above this, a native copy is faster than a loop. */
const COPY_LOOP = 24;

interface Shape {
  /** The type of each slot, or `EMPTY`. */
  readonly types: Uint8Array;
  /** `undefined` if records of the shape have to be projected one by one. */
  readonly program: JsonProgram | undefined;
}

interface Shapes {
  last: Shape | undefined;
  readonly byHash: Map<number, Shape[]>;
  count: number;
}

/** Writes events as JSON; keep one for each `EvtxDecoder`, whose layouts it remembers. */
export class JsonTextWriter {
  readonly #values = new ValueWriter();
  readonly #byLayout = new Map<number, Shapes>();
  #types = new Uint8Array(256);

  /**
   * Appends the projection of `event` as JSON in UTF-8, on one line without a line feed; the same
   * text as that of `event.toValue()`.
   */
  append(event: EvtxEvent, out: ByteBuffer): void {
    const program = event.layoutId < 0 || event.recovered ? undefined : this.#programOf(event);
    if (program === undefined) out.text(jsonText(event.toValue()));
    else this.#run(program, event, out);
  }

  #programOf(event: EvtxEvent): JsonProgram | undefined {
    const { slots, layout } = event;
    let shapes = this.#byLayout.get(layout.id);
    if (shapes === undefined) {
      if (this.#byLayout.size >= MAX_LAYOUTS) this.#byLayout.clear();
      shapes = { last: undefined, byHash: new Map(), count: 0 };
      this.#byLayout.set(layout.id, shapes);
    }
    const count = slots.count;
    if (count > this.#types.length) this.#types = new Uint8Array(count * 2);
    const types = this.#types;
    let hash = count;
    for (let slot = 0; slot < count; slot++) {
      const type = slots.isEmpty(slot) ? EMPTY : slots.typeOf(slot);
      types[slot] = type;
      hash = Math.imul(hash, 31) + type | 0;
    }
    const { last } = shapes;
    if (last !== undefined && isSame(last.types, types, count)) return last.program;
    const sharing: Shape[] = shapes.byHash.get(hash) ?? [];
    let shape = sharing.find((known) => isSame(known.types, types, count));
    if (shape === undefined) {
      if (shapes.count >= MAX_SHAPES) return undefined;
      shapes.count++;
      const copy = types.slice(0, count);
      shape = { types: copy, program: compileJson(layout, copy, slots.outerCount) };
      sharing.push(shape);
      shapes.byHash.set(hash, sharing);
    }
    shapes.last = shape;
    return shape.program;
  }

  #run(program: JsonProgram, { slots }: EvtxEvent, out: ByteBuffer): void {
    const { texts, slots: order } = program;
    let size = program.textSize;
    for (let i = 0; i < order.length; i++) {
      size += slots.sizeOf(order[i]!) * MAX_VALUE_RATIO + MAX_VALUE_OVERHEAD;
    }
    out.reserve(size);
    const { bytes } = out;
    let at = copy(texts[0]!, bytes, out.length);
    for (let i = 0; i < order.length; i++) {
      at = this.#values.write(slots, order[i]!, bytes, at);
      at = copy(texts[i + 1]!, bytes, at);
    }
    out.length = at;
  }
}

function copy(text: Uint8Array, bytes: Uint8Array, at: number): number {
  const size = text.length;
  if (size > COPY_LOOP) bytes.set(text, at);
  else for (let i = 0; i < size; i++) bytes[at + i] = text[i]!;
  return at + size;
}

function isSame(known: Uint8Array, types: Uint8Array, count: number): boolean {
  if (known.length !== count) return false;
  for (let slot = 0; slot < count; slot++) if (known[slot] !== types[slot]) return false;
  return true;
}
