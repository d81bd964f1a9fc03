/**
 * Times of OTLP: nanoseconds since 1970 in 64 bits.
 */

const NANOSECONDS = 1e9;

/** Seconds that were written last, by their lower bits: most records of a request are of the same. */
const CACHED = 64;
const seconds = new Float64Array(CACHED).fill(-1);
const texts: string[] = new Array(CACHED).fill("");

/**
 * `YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ`.
 *
 * @param high The upper 32 bits of the nanoseconds, unsigned.
 * @param low The lower ones.
 */
export function nanosecondsText(high: number, low: number): string {
  // Long division by parts of 16 bits: exact, without a bigint.
  let quotient = 0;
  let rest = high >>> 16;
  for (let part = 1; part < 4; part++) {
    const digits = part === 1 ? high & 0xffff : part === 2 ? low >>> 16 : low & 0xffff;
    rest = rest * 65_536 + digits;
    const times = Math.floor(rest / NANOSECONDS);
    quotient = quotient * 65_536 + times;
    rest -= times * NANOSECONDS;
  }
  return instantText(quotient, rest);
}

/** Above 2^64 - 1 it is no time of OTLP, however many digits there are. */
const DECIMAL = /^\d{1,20}$/;
const MAX_NANOSECONDS = 2n ** 64n - 1n;

/**
 * The same for a number in decimal, as OTLP/JSON has it.
 *
 * @returns `undefined` for 0, which means that there is no time, and for what is no such number.
 */
export function decimalNanosecondsText(digits: string): string | undefined {
  if (!DECIMAL.test(digits)) return undefined;
  const value = BigInt(digits);
  if (value === 0n || value > MAX_NANOSECONDS) return undefined;
  return nanosecondsText(Number(value >> 32n), Number(value & 0xffff_ffffn));
}

/** 2^64 nanoseconds end in the year 2554, so `Date` knows them all. */
function instantText(second: number, nanoseconds: number): string {
  const at = second % CACHED;
  if (seconds[at] !== second) {
    texts[at] = new Date(second * 1000).toISOString().slice(0, 19);
    seconds[at] = second;
  }
  // Nine digits behind a 1, which is cheaper than filling up with zeros.
  return `${texts[at]}.${String(nanoseconds + NANOSECONDS).slice(1)}Z`;
}
