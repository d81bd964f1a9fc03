/**
 * What can be wrong with a configuration, and how it is told.
 */
import { PicketError } from "../../event/errors.ts";
import type { Origin } from "./tree.ts";

export interface ConfigProblem {
  readonly severity: "error" | "warning";
  /** Key path, empty for the whole file. */
  readonly path: string;
  readonly message: string;
  /** What to write instead. */
  readonly suggestion?: string;
  readonly origin: Origin;
}

/**
 * The configuration cannot be used; `problems` has everything that is wrong with it.
 *
 * `CONFIG_READ`: a file could not be read. `CONFIG_SYNTAX`: it is not YAML. `CONFIG_INVALID`: it
 * says something Picket cannot do. `CONFIG_SECRET`: a secret is not where the configuration says.
 */
export class ConfigError extends PicketError {
  override readonly name = "ConfigError";
  readonly code: "CONFIG_READ" | "CONFIG_SYNTAX" | "CONFIG_INVALID" | "CONFIG_SECRET";
  readonly problems: readonly ConfigProblem[];

  constructor(
    code: ConfigError["code"],
    problems: readonly ConfigProblem[],
    options?: ErrorOptions,
  ) {
    super(problems.map(problemText).join("\n"), options);
    this.code = code;
    this.problems = problems;
  }
}

/** `picket.yaml:3:5: api.adr: unknown key (did you mean 'addr'?)`. */
export function problemText({ path, message, suggestion, origin }: ConfigProblem): string {
  const hint = suggestion === undefined ? "" : ` (${suggestion})`;
  return [originText(origin), path, `${message}${hint}`].filter((part) => part !== "").join(": ");
}

/** `picket.yaml:3:5`, `environment variable X`, `command line`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "default":
      return "";
    case "file":
      return origin.line === 0 ? origin.file : `${origin.file}:${origin.line}:${origin.column}`;
    case "env":
      return `environment variable ${origin.name}`;
    case "flag":
      return "command line";
  }
}

/** How `config show` names an origin: `default`, `file:line`, `env NAME`, `flag`. */
export function originLabel(origin: Origin): string {
  switch (origin.kind) {
    case "file":
      return `${origin.file}:${origin.line}`;
    case "env":
      return `env ${origin.name}`;
    case "default":
    case "flag":
      return origin.kind;
  }
}
