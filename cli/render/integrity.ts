/**
 * What was found where EVTX files were looked at for damage and tampering.
 */
import type { IntegrityReport } from "../../src/ingest/evtx_integrity.ts";
import { count, type Paint, plural, renderTable, safeText } from "./text.ts";

/** Findings of one file that are printed; JSON has up to 1,000 of each kind. */
const SHOWN_FINDINGS = 20;
/** Files with findings that the summary of a scan names. */
const SHOWN_FILES = 10;

/** The findings in one file. */
export function integrityLines(report: IntegrityReport, paint: Paint): string[] {
  if (report.findings.length === 0) return [`  Integrity ${paint("nothing suspicious", "green")}`];
  const kinds = [...report.counts].filter(([, times]) => times > 0)
    .map(([kind, times]) => `${count(times)} × ${kind}`);
  const rows = report.findings.slice(0, SHOWN_FINDINGS)
    .map(({ kind, offset, message }) => [kind, String(offset), safeText(message)]);
  const more = report.findings.length - rows.length;
  return [
    `  Integrity ${paint(kinds.join(", "), "yellow")}`,
    ...renderTable(["FINDING", "OFFSET", "WHAT"], rows, paint).map((line) => `    ${line}`),
    ...(more > 0 ? [`    … ${plural(more, "more finding")}; --output-format json has them`] : []),
  ];
}

/** The findings in the files of a scan: per file how many of each kind, and the first of each. */
export function scanIntegrityLines(reports: readonly IntegrityReport[], paint: Paint): string[] {
  const found = reports.filter(({ findings }) => findings.length > 0);
  const lines = ["", paint("Integrity", "bold")];
  const sound = reports.length - found.length;
  if (sound > 0) lines.push(`  nothing suspicious in ${plural(sound, "EVTX file")}`);
  for (const { path, counts, findings } of found.slice(0, SHOWN_FILES)) {
    lines.push(`  ${safeText(path)}`);
    for (const [kind, times] of counts) {
      const first = findings.find((finding) => finding.kind === kind);
      if (first === undefined) continue;
      lines.push(
        `    ${count(times)} × ${paint(kind, "yellow")}: ${safeText(first.message)}` +
          (times > 1 ? " …" : ""),
      );
    }
  }
  if (found.length > SHOWN_FILES) {
    lines.push(
      `  … and ${plural(found.length - SHOWN_FILES, "more file")}; --stats names them all`,
    );
  }
  return lines;
}

/** A report as JSON has it. */
export function integrityValue(report: IntegrityReport) {
  return { ...report, counts: Object.fromEntries(report.counts) };
}
