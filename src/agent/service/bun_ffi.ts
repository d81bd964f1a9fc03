/**
 * Bun's way to native libraries, as far as Picket uses it: libc for systemd, advapi32 for services.
 *
 * Node and Deno lack the module, so it is asked for by name at run time and typed here.
 */
import process from "node:process";

/** The types that our calls pass. `ptr` in an argument is an address or a typed array. */
export type FfiType = "void" | "i32" | "u32" | "u16" | "i64" | "u64" | "ptr";

export interface FfiSignature {
  readonly args: readonly FfiType[];
  readonly returns: FfiType;
}

/** An address as Bun hands it out; 0 and `null` are null pointers. */
export type Pointer = number;
export type FfiValue = number | bigint | null | ArrayBufferView;

/** A JavaScript function that native code can call. */
export interface FfiCallback {
  readonly ptr: Pointer;
  close(): void;
}

export interface BunFfi {
  dlopen(
    library: string,
    functions: Readonly<Record<string, FfiSignature>>,
  ): {
    readonly symbols: Readonly<Record<string, (...args: FfiValue[]) => number>>;
    close(): void;
  };
  /** `threadsafe`: may be called by any thread; runs later on the thread that made it, returns nothing. */
  readonly JSCallback: new (
    callback: (...args: number[]) => void,
    signature: FfiSignature & { readonly threadsafe: true },
  ) => FfiCallback;
  /** The address of the content of a buffer, which must stay referenced while it is used. */
  ptr(view: ArrayBufferView): Pointer;
  /** Memory at an address. */
  toArrayBuffer(address: Pointer, offset: number, length: number): ArrayBuffer;
}

/** Bun's module; `undefined` on other runtimes. */
export function bunFfi(): BunFfi | undefined {
  const builtin = process.getBuiltinModule as (name: string) => unknown;
  return builtin?.("bun:ffi") as BunFfi | undefined;
}
