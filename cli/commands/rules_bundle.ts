/**
 * `picket rules bundle build | info | verify`.
 */
import { Command } from "commander";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import {
  type BundleHeader,
  decodeBundle,
  encodeBundle,
  readBundleHeader,
} from "../../src/engine/bundle.ts";
import { readRuleFiles } from "../../src/runtime/load_rules.ts";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { embeddedBundle } from "../embedded_rules.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { bytes, painter, plural } from "../render/text.ts";
import { notLoadedLines, rulesNotLoaded } from "../scan/report.ts";
import { UsageError } from "./common.ts";

interface BuildOptions {
  readonly output: string;
  readonly signKey?: string;
  readonly strict: boolean;
}

export function rulesBundleCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("bundle").summary("rule sets packed into one file that loads at once");
  group.addCommand(
    new Command("build")
      .summary("pack rules; loads in milliseconds and is not deleted by virus scanners")
      .argument("<path...>", "rule files and directories")
      .requiredOption("-o, --output <file>", "the bundle to write")
      .option("--sign-key <file>", "sign with this PEM Ed25519 private key")
      .option("--strict", "write nothing if a rule could not be loaded", false)
      .addHelpText("after", "\nExample:\n  picket rules bundle build ./sigma/rules -o sigma.bundle")
      .action((paths: string[], options: BuildOptions) => exit(runBuild(paths, options, io))),
  );
  group.addCommand(
    new Command("info")
      .summary("what a bundle says about itself")
      .argument("[file]", "a bundle; without it, the embedded one")
      .addHelpText("after", "\nExample:\n  picket rules bundle info sigma.bundle")
      .action(async (file: string | undefined) => exit(await runInfo(file, io))),
  );
  group.addCommand(
    new Command("verify")
      .summary("check a bundle's digest, content and signature; exit 2 if it is not sound")
      .argument("<file>", "a bundle")
      .option("--public-key <file>", "PEM Ed25519 public key it must be signed with")
      .addHelpText(
        "after",
        "\nExample:\n  picket rules bundle verify sigma.bundle --public-key key.pem",
      )
      .action((file: string, options: { publicKey?: string }) =>
        exit(runVerify(file, options.publicKey, io))
      ),
  );
  return group;
}

/** Packs everything that loads; what does not is listed and counted in the bundle. */
export function runBuild(paths: readonly string[], options: BuildOptions, io: CliIo): ExitCode {
  const { files } = readRuleFiles(paths);
  const problems = assembleRules(files).problems;
  const notLoaded = rulesNotLoaded(problems);
  const content = {
    rules: files.flatMap((file) => file.rules),
    correlations: files.flatMap((file) => file.correlations),
    filters: files.flatMap((file) => file.filters),
  };
  for (const line of notLoadedLines(notLoaded, painter(false)).slice(1)) io.err(line);
  const total = content.rules.length + content.correlations.length;
  if (total === 0) {
    io.err("Cannot build bundle: no rule could be loaded");
    return EXIT.ruleError;
  }
  if (options.strict && notLoaded.length > 0) return EXIT.ruleError;
  const key = options.signKey === undefined ? undefined : readText(options.signKey, "--sign-key");
  const bundle = encodeBundle(content, notLoaded.length, key);
  // A reader must never meet half a bundle.
  const partial = `${options.output}.${process.pid}.partial`;
  writeFileSync(partial, bundle);
  renameSync(partial, options.output);
  io.err(
    `${options.output}: ${plural(content.rules.length, "rule")}, ` +
      `${plural(content.correlations.length, "correlation")}, ` +
      `${plural(content.filters.length, "filter")}, ${notLoaded.length} not loaded, ` +
      `${bytes(bundle.length)}${key === undefined ? "" : ", signed"}`,
  );
  return EXIT.ok;
}

export async function runInfo(file: string | undefined, io: CliIo): Promise<ExitCode> {
  const bundle = file === undefined ? await embeddedBundle() : readFileSync(file);
  if (bundle === undefined) throw new UsageError("this is not a built executable: name a bundle");
  const header: BundleHeader = readBundleHeader(bundle);
  io.out(`${JSON.stringify({ ...header, bytes: bundle.length }, null, 2)}\n`);
  return EXIT.ok;
}

export function runVerify(file: string, publicKey: string | undefined, io: CliIo): ExitCode {
  const key = publicKey === undefined ? undefined : readText(publicKey, "--public-key");
  const bundle = readFileSync(file);
  const content = decodeBundle(bundle, key);
  // Detections are unpacked when they are asked for, so ask for them all.
  const empty = content.rules.filter(({ selections }) => selections.length === 0).length;
  if (empty > 0) {
    io.err(`${file}: ${plural(empty, "rule")} without a detection`);
    return EXIT.ruleError;
  }
  const { signature } = readBundleHeader(bundle);
  const signed = key !== undefined
    ? "signed by this key"
    : signature === undefined
    ? "not signed"
    : "signed; give --public-key to check by whom";
  io.out(`${file}: sound, ${plural(content.rules.length, "rule")}, ${signed}\n`);
  return EXIT.ok;
}

function readText(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read ${option}: ${reason}`, { cause: error });
  }
}
