/**
 * Sizes as people write them.
 */

const SIZE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A size; also the `pattern` of the JSON Schema. */
export const SIZE = /^[0-9]{1,15}(?:\.[0-9]{1,3})? ?(?:B|[kKMGT]B|[KMGTkmgt]iB)$/;

/** The bytes of `512MiB`, `1.5 GB`, `4096B`; `undefined` for anything else. */
export function parseSize(text: string): number | undefined {
  if (!SIZE.test(text)) return undefined;
  const [, number, unit] = /^([0-9.]+) ?([A-Za-z]+)$/.exec(text)!;
  const bytes = Math.round(Number(number) * SIZE_UNITS[unit!.toLowerCase()]!);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
