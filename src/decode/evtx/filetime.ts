/**
 * FILETIME (100 ns ticks since 1601) and SYSTEMTIME, without `BigInt` on the way.
 *
 * Present-day tick counts are near 1.3e17, beyond 2^53, so the count never goes through one double:
 * 2^32 = 429496 * 10000 + 7296 splits it into milliseconds and ticks within the millisecond.
 */
import { u16, u32 } from "./bytes.ts";

/** Milliseconds from 1601-01-01 to 1970-01-01. */
const UNIX_EPOCH_MS = 11_644_473_600_000;
/** 9999-12-31T23:59:59.999Z: later times cannot be written with four digits of year. */
const MAX_MS = 253_402_300_799_999;
const MIN_MS = -UNIX_EPOCH_MS;

/** Unix time in milliseconds of the FILETIME at `at`; exact below 2^63, rounded down. */
export function filetimeMs(bytes: Uint8Array, at: number): number {
  const high = u32(bytes, at + 4);
  return high * 429496 + Math.floor((high * 7296 + u32(bytes, at)) / 10000) - UNIX_EPOCH_MS;
}

/** The ticks within the millisecond, 0 to 9999. */
export function filetimeRemainder(bytes: Uint8Array, at: number): number {
  return (u32(bytes, at + 4) * 7296 + u32(bytes, at)) % 10000;
}

/** Whether the FILETIME can be written as a date: below 2^63 and before the year 10000. */
export function isFiletime(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 7]! < 0x80 && filetimeMs(bytes, at) <= MAX_MS;
}

/** Writes times; remembers the last second, because the records of a log are nearly in order. */
export class TimeFormat {
  #second = NaN;
  #head = "";

  /** `2016-07-08T18:12:51.681640Z`, microseconds, rounded down. */
  micros(ms: number, remainder: number): string {
    return `${this.#seconds(ms)}.${pad(fraction(ms) * 1000 + Math.floor(remainder / 10), 6)}Z`;
  }

  /** `2016-07-08T18:12:51.6816402Z`, all of it, as Windows writes it. */
  ticks(ms: number, remainder: number): string {
    return `${this.#seconds(ms)}.${pad(fraction(ms) * 10000 + remainder, 7)}Z`;
  }

  #seconds(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#head = new Date(second * 1000).toISOString().slice(0, 19);
    }
    return this.#head;
  }
}

function fraction(ms: number): number {
  return ms - Math.floor(ms / 1000) * 1000;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/**
 * Unix time in milliseconds of the SYSTEMTIME at `at`; all zero is the start of FILETIME.
 *
 * @returns `undefined` for a date that does not exist.
 */
export function systemtimeMs(bytes: Uint8Array, at: number): number | undefined {
  const year = u16(bytes, at);
  const month = u16(bytes, at + 2);
  const day = u16(bytes, at + 6);
  const hour = u16(bytes, at + 8);
  const minute = u16(bytes, at + 10);
  const second = u16(bytes, at + 12);
  const millisecond = u16(bytes, at + 14);
  if ((year | month | day | hour | minute | second | millisecond) === 0) return MIN_MS;
  if (month < 1 || month > 12 || day < 1 || year < 1601 || year > 9999) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || millisecond > 999) return undefined;
  const ms = Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  // A day that the month does not have rolls over into the next one.
  return new Date(ms).getUTCDate() === day ? ms : undefined;
}
