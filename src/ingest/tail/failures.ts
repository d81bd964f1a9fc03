/**
 * What file systems answer when they do not answer.
 */

/** The `code` of an error of `node:fs`, such as `EACCES`. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isPermission(error: unknown): boolean {
  return ["EACCES", "EPERM"].includes(codeOf(error));
}

/** The file is not there, which is no failure of a log that is rotated. */
export function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ESTALE"].includes(codeOf(error));
}
