/**
 * That work grows with its input and not faster.
 */
import assert from "node:assert/strict";
import process from "node:process";

/** Below this many milliseconds of processor time nothing is worth a complaint. */
const UNNOTICED_MS = 150;
/** Eight times the input may take so many times the work: compilers and collectors wake up. */
const MAX_GROWTH = 30;
const ATTEMPTS = 3;

/** Processor time of this process, so that other programs do not count. */
function workMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/**
 * Runs `work` with inputs of an eighth of `size` and of `size`, beginning with an eighth of that: a
 * quadratic work is found out before it takes minutes.
 *
 * @param make The input of a size.
 */
export function assertLinear<Input>(
  name: string,
  size: number,
  make: (size: number) => Input,
  work: (input: Input) => void,
): void {
  let [small, large] = [make(size >> 6), make(size >> 3)];
  for (const step of [size >> 3, size]) {
    large = step === size ? make(size) : large;
    let growth = Infinity;
    for (let attempt = 0; attempt < ATTEMPTS && growth > MAX_GROWTH; attempt++) {
      const after = workMs(() => work(large));
      if (after <= UNNOTICED_MS) growth = 0;
      else growth = after / Math.max(1, workMs(() => work(small)));
    }
    assert.ok(growth <= MAX_GROWTH, `${name}: eight times the input took ${growth} times the work`);
    small = large;
  }
}
