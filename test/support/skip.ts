/** For a test's `skip`: says why on the console, since runners tell only how many were skipped. */
export function skipIf(condition: boolean, reason: string): string | false {
  if (!condition) return false;
  console.log(`skipped: ${reason}`);
  return reason;
}
