/**
 * What is to be installed: facts about the executable and its configuration.
 */
import { dirname } from "node:path";
import type { LoadedConfig } from "../config/load.ts";
import type { SinkSettings } from "../../runtime/settings.ts";

export interface ServiceTarget {
  /** Of the service; also names its state directory. */
  readonly name: string;
  /** Absolute path of the executable. */
  readonly executable: string;
  /** Absolute path of the configuration. */
  readonly config: string;
  /** Directories that the agent writes to, besides that of its state. */
  readonly writes: readonly string[];
  /** The directory of the state file. */
  readonly stateDirectory: string;
  /** Whether something it reads or writes is in a directory for temporary files. */
  readonly usesTmp: boolean;
  /** Lets it read any file: logs that only root may read. */
  readonly readAny: boolean;
}

/** The name of a service; it becomes part of paths and command lines. */
export function isServiceName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(name);
}

export function serviceTarget(
  about: Pick<ServiceTarget, "name" | "executable" | "config" | "readAny">,
  { config }: LoadedConfig,
): ServiceTarget {
  const writes = new Set<string>();
  const reads: string[] = [];
  for (const sink of [...config.sinks, config.deadLetters.sink]) {
    const file = sink === undefined ? undefined : fileOf(sink);
    if (file !== undefined) writes.add(dirname(file));
  }
  for (const source of config.sources) {
    if (source.type === "file") reads.push(...source.paths);
    if (source.type === "unix") writes.add(dirname(source.path));
  }
  if (config.log.file !== undefined) writes.add(dirname(config.log.file.path));
  const { address } = config.api;
  if (config.api.enabled && address.kind === "unix") writes.add(dirname(address.path));
  // The agent notes there when a token was used last.
  if (config.api.tokenFile !== undefined) writes.add(dirname(config.api.tokenFile));
  const stateDirectory = dirname(config.state.path);
  writes.delete(stateDirectory);
  return {
    ...about,
    writes: [...writes].sort(),
    stateDirectory,
    usesTmp: [...writes, ...reads, stateDirectory].some((path) =>
      /^\/(?:var\/)?tmp\//.test(`${path}/`)
    ),
  };
}

function fileOf(sink: SinkSettings): string | undefined {
  return sink.type === "file" ? sink.path : undefined;
}
