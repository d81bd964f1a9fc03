/**
 * Little-endian reads from plain byte arrays. On the hot path they beat `DataView`, whose calls are
 * bounds-checked twice. Callers check that the bytes exist; past the end a read gives garbage, not
 * an error.
 */

export function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function i32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export function u32(bytes: Uint8Array, at: number): number {
  return i32(bytes, at) >>> 0;
}

/** An unsigned 64-bit integer: a `number` up to 2^53 - 1, a `bigint` beyond. */
export function u64(bytes: Uint8Array, at: number): number | bigint {
  const low = u32(bytes, at);
  const high = u32(bytes, at + 4);
  if (high < 0x200000) return high * 0x1_0000_0000 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** A signed 64-bit integer: a `number` within ±(2^53 - 1), a `bigint` beyond. */
export function i64(bytes: Uint8Array, at: number): number | bigint {
  const low = u32(bytes, at);
  const high = i32(bytes, at + 4);
  if (high < 0x200000 && high >= -0x200000) {
    const value = high * 0x1_0000_0000 + low;
    if (Number.isSafeInteger(value)) return value;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Whether every byte of `bytes[from, to)` is zero. */
export function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Whether `bytes` has `signature` at `at`. */
export function hasSignature(bytes: Uint8Array, at: number, signature: Uint8Array): boolean {
  if (at + signature.length > bytes.length) return false;
  for (let i = 0; i < signature.length; i++) if (bytes[at + i] !== signature[i]) return false;
  return true;
}
