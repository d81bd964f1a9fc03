/**
 * Log lines whose alerts are known: of every hundred, one says `evil` in its command line.
 */
import { writeFileSync } from "node:fs";

/** Title of the rule that fires on them. */
export const EVIL_TITLE = "Evil Command Line";

const RULE = `title: ${EVIL_TITLE}
id: 00000000-0000-4000-8000-00000000e711
status: test
level: high
logsource:
  product: linux
  category: process_creation
detection:
  selection:
    CommandLine|contains: evil
  condition: selection
`;

/** Writes the rule to a file. */
export function writeEvilRule(path: string): void {
  writeFileSync(path, RULE);
}

/** Whether line `number` matches. */
export function isEvil(number: number): boolean {
  return number % 100 === 37;
}

/** Line `number`, without a line end. */
export function logLine(number: number): string {
  const command = isEvil(number) ? `/tmp/evil --job ${number}` : `/usr/bin/worker --job ${number}`;
  return `{"@timestamp":"2026-11-23T08:00:00Z","n":${number},"Image":"/usr/bin/worker",` +
    `"CommandLine":"${command}","User":"root","ParentImage":"/usr/lib/systemd/systemd"}`;
}

/** The numbers below `count` that must give an alert. */
export function evilNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number).filter(isEvil);
}

/** The number of the line that an alert, or a hit of a scan, is about. */
export function numberOf(alert: {
  readonly matched_fields: readonly { readonly field: string; readonly value: unknown }[];
}): number {
  const command = alert.matched_fields.find(({ field }) => field === "CommandLine")?.value;
  return Number(/--job (\d+)$/.exec(String(command))?.[1] ?? NaN);
}
