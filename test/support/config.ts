/** Loads a configuration text as if it were the only file, away from this machine's settings. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  loadConfig,
  type LoadConfigOptions,
  type LoadedConfig,
} from "../../src/agent/config/load.ts";
import { ConfigError, problemText } from "../../src/agent/config/problems.ts";

/** A directory with these files; deleted when disposed of. */
export class TempFiles implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "picket-config-"));

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), content);
    }
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Surroundings without any configuration. */
export function emptyAround(directory: string): NonNullable<LoadConfigOptions["around"]> {
  return {
    cwd: directory,
    home: join(directory, "home"),
    platform: "linux",
    isPrivileged: true,
    systemDirectory: join(directory, "etc"),
  };
}

/** Loads `text` as the file `c.yaml` in `directory`. */
export function loadText(
  text: string,
  directory: string,
  options: LoadConfigOptions = {},
): LoadedConfig {
  writeFileSync(join(directory, "c.yaml"), text);
  return loadConfig({
    env: {},
    around: emptyAround(directory),
    configPath: join(directory, "c.yaml"),
    ...options,
  });
}

/** The problems of a configuration, with the directory left out: `c.yaml:1:2: key: message`. */
export function problemsOf(text: string, options: LoadConfigOptions = {}): readonly string[] {
  using temp = new TempFiles();
  const short = (line: string): string => line.replaceAll(`${temp.directory}/`, "");
  try {
    const { warnings } = loadText(text, temp.directory, options);
    return warnings.map((problem) => `warning: ${short(problemText(problem))}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => short(problemText(problem)));
  }
}
