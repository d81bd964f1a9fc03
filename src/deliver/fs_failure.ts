/**
 * What an error of the operating system means for delivery.
 */
import { DeliveryError, type DeliveryFailure } from "../runtime/errors.ts";

const FAILURES: ReadonlyMap<string, DeliveryFailure> = new Map([
  // Somebody has to grant something.
  ["EACCES", "auth"],
  ["EPERM", "auth"],
  // Somebody has to change the path or what is there. A reader that is gone does not come back.
  ["EPIPE", "config"],
  ["EBADF", "config"],
  ["EISDIR", "config"],
  ["ENOTDIR", "config"],
  ["ENOTSOCK", "config"],
  ["EPROTOTYPE", "config"],
  ["ELOOP", "config"],
  ["ENAMETOOLONG", "config"],
  ["EROFS", "config"],
]);

/** The `code` of a system error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/**
 * A system error as a delivery error: a full disk, a broken device and whatever else may pass are
 * transient.
 *
 * @param action Begins the message: `append to /var/log/alerts.ndjson`.
 */
export function asDeliveryError(action: string, error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const failure = FAILURES.get(systemCode(error) ?? "") ?? "transient";
  const reason = error instanceof Error ? error.message : String(error);
  return new DeliveryError(failure, `Cannot ${action}: ${reason}`, { cause: error });
}
