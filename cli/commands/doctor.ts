/**
 * `picket doctor`: what keeps the agent from its work, each line with a fix.
 */
import { Command, Option } from "commander";
import { diagnose } from "../../src/agent/doctor/diagnose.ts";
import type { Finding, Verdict } from "../../src/agent/doctor/finding.ts";
import { prettyJsonText } from "../../src/event/json_text.ts";
import { compileInWorker } from "../compile_rules.ts";
import { embeddedRulesBundle } from "../embedded_rules.ts";
import { type CliIo, type ColorMode, EXIT, type ExitCode, useColor } from "../io.ts";
import { type Paint, painter, safeText, type Style } from "../render/text.ts";
import { addConfigOptions, type ConfigOptions, loadOptions } from "./config_options.ts";

export interface DoctorOptions extends ConfigOptions {
  readonly outputFormat: "text" | "json";
  readonly color: ColorMode;
}

const EXAMPLES = `
Examples:
  picket doctor
  sudo -u picket picket doctor -c /etc/picket/config.yaml
  picket doctor --output-format json

Run it as the user that the service runs as: permissions are looked at as they are for whoever asks.

Exit codes: 0 nothing failed, 1 something did.`;

export function doctorCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("doctor")
    .summary("look for what keeps the agent from its work; exit 1 if something does")
    .description(
      "Checks configuration, rules, state, sources, sinks, API, clock and service, all at once and\n" +
        "each for 5 seconds at most. Nothing is changed and no alert is sent.",
    );
  return addConfigOptions(command)
    .addOption(
      new Option("--output-format <format>", "").choices(["text", "json"]).default("text"),
    )
    .addOption(
      new Option("--color <when>", "colour the verdicts")
        .choices(["auto", "always", "never"]).default("auto"),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (options: DoctorOptions) => exit(await doctor(options, io)));
}

export async function doctor(options: DoctorOptions, io: CliIo): Promise<ExitCode> {
  const findings = await diagnose({
    config: loadOptions(options, io),
    compile: compileInWorker,
    embeddedRules: await embeddedRulesBundle(),
  });
  const counts = countVerdicts(findings);
  const ok = counts.fail === 0;
  if (options.outputFormat === "json") {
    io.out(`${prettyJsonText({ ok, summary: counts, findings })}\n`);
  } else {
    const paint = painter(useColor(options.color, io));
    for (const line of renderFindings(findings, paint)) io.out(`${line}\n`);
    io.out(`\n${counts.pass} passed, ${counts.warn} to look at, ${counts.fail} failed\n`);
  }
  return ok ? EXIT.ok : EXIT.findings;
}

function countVerdicts(findings: readonly Finding[]): Record<Verdict, number> {
  const counts = { pass: 0, warn: 0, fail: 0 };
  for (const { verdict } of findings) counts[verdict]++;
  return counts;
}

const STYLES: Readonly<Record<Verdict, Style>> = { pass: "green", warn: "yellow", fail: "red" };

/** One line for each finding, and one below it for what to do. */
export function renderFindings(findings: readonly Finding[], paint: Paint): readonly string[] {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings.flatMap(({ check, verdict, message, fix }) => [
    `${paint(verdict.toUpperCase(), STYLES[verdict])}  ${check.padEnd(width)}  ${
      safeText(message)
    }`,
    ...(fix === undefined || verdict === "pass"
      ? []
      : [paint(`${" ".repeat(width + 8)}fix: ${safeText(fix)}`, "dim")]),
  ]);
}
