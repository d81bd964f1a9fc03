/**
 * `picket token create | list | revoke`: who may use the API of the agent on this machine.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { describeDuration } from "../../src/runtime/duration.ts";
import { AdminError } from "../../src/admin/errors.ts";
import { parseGrant } from "../../src/admin/permissions.ts";
import {
  createToken,
  readLastUsed,
  readTokenFile,
  revokeToken,
  ROLE_NAMES,
} from "../../src/admin/token_file.ts";
import { ConfigError, problemText } from "../../src/agent/config/problems.ts";
import { loadConfig } from "../../src/agent/config/load.ts";
import { duration } from "../api_client.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { csvLine } from "../render/csv.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { painter, renderTable, safeText } from "../render/text.ts";
import { addTalkOptions, collect, type TalkOptions, UsageError } from "./common.ts";
import { type ConfigOptions, loadOptions } from "./config_options.ts";

interface FileOptions extends ConfigOptions {
  readonly file?: string;
}

export interface CreateOptions extends FileOptions {
  readonly role?: string;
  readonly permission: readonly string[];
  /** Milliseconds. */
  readonly expires?: number;
}

export interface TokenListOptions extends FileOptions, TalkOptions {
  readonly outputFormat?: OutputFormat;
}

export function tokenCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("token").summary("create and revoke tokens of the API");
  group.addCommand(
    addFileOptions(new Command("create").summary("create a token and print it once"))
      .argument("<name>", "names the token in the audit trail", tokenName)
      .option("--role <role>", `${ROLE_NAMES.join(", ")}, or a role of the configuration`)
      .option("--permission <grant>", "such as status:read; repeat for more", collect, [])
      .option("--expires <time>", "how long it is valid: 90d", duration)
      .addHelpText(
        "after",
        "\nExamples:\n  picket token create admin --role admin --file /etc/picket/tokens.json\n" +
          "  picket token create grafana --permission metrics:read --expires 365d",
      )
      .action((name: string, options: CreateOptions) => exit(runCreate(name, options, io))),
  );
  group.addCommand(
    addTalkOptions(
      addFileOptions(new Command("list").summary("list tokens, without what they are"))
        .addOption(
          new Option("--output-format <format>", "default: table").choices(OUTPUT_FORMATS),
        ),
    ).addHelpText("after", "\nExample:\n  picket token list --file /etc/picket/tokens.json")
      .action((options: TokenListOptions) => exit(runList(options, io))),
  );
  group.addCommand(
    addFileOptions(new Command("revoke").summary("make a token invalid at once"))
      .argument("<name>", "as `picket token list` shows it")
      .addHelpText("after", "\nExample:\n  picket token revoke grafana")
      .action((name: string, options: FileOptions) => exit(runRevoke(name, options, io))),
  );
  return group;
}

function addFileOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "configuration that names the token file")
    .option("--file <file>", "the token file; default: api.token_file of the configuration");
}

export function runCreate(name: string, options: CreateOptions, io: CliIo): ExitCode {
  const { role, permission } = options;
  if ((role === undefined) === (permission.length === 0)) {
    throw new UsageError("give either --role or --permission");
  }
  return withTokens(options, io, (file) => {
    for (const grant of permission) parseGrant(grant, "--permission");
    if (role !== undefined) checkRole(role, options, io);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const expires = options.expires === undefined
      ? undefined
      : nowSeconds + Math.ceil(options.expires / 1000);
    const token = createToken(file, {
      name,
      ...(role === undefined ? { permissions: permission } : { role }),
      expires,
    }, nowSeconds);
    io.out(`${token}\n`);
    io.err(`Token '${safeText(name)}' is in ${safeText(file)}; it is not shown again.`);
    return EXIT.ok;
  });
}

export function runList(options: TokenListOptions, io: CliIo): ExitCode {
  return withTokens(options, io, (file) => {
    const used = readLastUsed(file);
    const tokens = readTokenFile(file).map((token) => ({
      name: token.name,
      role: token.role ?? null,
      permissions: token.permissions ?? null,
      created: token.created,
      expires: token.expires,
      last_used: used.get(token.name) ?? null,
    }));
    const cells = tokens.map((token) => [
      token.name,
      token.role ?? token.permissions?.join(" ") ?? "",
      day(token.created),
      token.expires === null ? "never" : day(token.expires),
      token.last_used === null ? "never" : ago(token.last_used),
    ]);
    const header = ["NAME", "MAY", "CREATED", "EXPIRES", "USED"];
    switch (options.outputFormat ?? "table") {
      case "json":
        io.out(`${JSON.stringify(tokens, null, 2)}\n`);
        break;
      case "ndjson":
        io.out(tokens.map((token) => `${JSON.stringify(token)}\n`).join(""));
        break;
      case "csv":
        io.out(csvLine(header) + cells.map((row) => csvLine(row)).join(""));
        break;
      case "table":
        if (cells.length === 0) {
          io.err(`No tokens in ${safeText(file)}.`);
          break;
        }
        io.out(
          `${
            renderTable(
              header,
              cells.map((row) => row.map(safeText)),
              painter(useColor(options.color, io)),
            )
              .join("\n")
          }\n`,
        );
        break;
    }
    return EXIT.ok;
  });
}

export function runRevoke(name: string, options: FileOptions, io: CliIo): ExitCode {
  return withTokens(options, io, (file) => {
    if (!revokeToken(file, name)) {
      throw new UsageError(`there is no token '${safeText(name)}' in ${safeText(file)}`);
    }
    io.err(`Token '${safeText(name)}' is revoked.`);
    return EXIT.ok;
  });
}

/** Finds the file; what is wrong with it or with an option is an error of usage. */
function withTokens(
  options: FileOptions,
  io: CliIo,
  work: (file: string) => ExitCode,
): ExitCode {
  const file = options.file ?? configOf(options, io).tokenFile;
  if (file === undefined) {
    throw new UsageError("give --file, or set api.token_file in the configuration");
  }
  try {
    return work(file);
  } catch (error) {
    if (error instanceof AdminError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

function configOf(options: FileOptions, io: CliIo) {
  try {
    return loadConfig(loadOptions(options, io)).config.api;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const first = error.problems[0];
    throw new UsageError(safeText(first === undefined ? error.message : problemText(first)));
  }
}

/** A role that is not built in must be one of the configuration. */
function checkRole(role: string, options: FileOptions, io: CliIo): void {
  if (ROLE_NAMES.includes(role)) return;
  const { roles } = configOf(options, io).auth;
  if (Object.hasOwn(roles, role)) return;
  const known = [...ROLE_NAMES, ...Object.keys(roles)];
  throw new UsageError(`there is no role '${safeText(role)}': use one of ${known.join(", ")}`);
}

function tokenName(text: string): string {
  if (!/^[^\s\p{C}][^\p{C}]{0,63}$/u.test(text)) {
    throw new InvalidArgumentError("give up to 64 visible characters");
  }
  return text;
}

function day(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(0, 10);
}

function ago(unixSeconds: number): string {
  const [largest] = describeDuration(Date.now() - unixSeconds * 1000).split(" ");
  return `${largest} ago`;
}
