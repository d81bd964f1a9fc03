/**
 * What can go wrong around services.
 */
import { PicketError } from "../../event/errors.ts";

/**
 * `SERVICE_UNSUPPORTED`: not on this system or runtime. `SERVICE_NOT_STARTED`: not started by the
 * service manager. `SERVICE_DENIED`: needs an administrator. `SERVICE_FAILED`: a step of installing
 * or controlling failed.
 */
export class ServiceError extends PicketError {
  override readonly name = "ServiceError";
  readonly code:
    | "SERVICE_UNSUPPORTED"
    | "SERVICE_NOT_STARTED"
    | "SERVICE_DENIED"
    | "SERVICE_FAILED";

  constructor(code: ServiceError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
