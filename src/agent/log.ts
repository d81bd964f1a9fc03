/**
 * What the agent tells its operator while it runs.
 */

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** Facts of a message; texts must hold no secrets. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Takes messages; whoever runs the agent decides where they go. */
export interface Log {
  write(level: LogLevel, message: string, fields?: LogFields): void;
}

export const silentLog: Log = { write() {} };
