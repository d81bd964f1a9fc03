/**
 * Why bytes or text are no request of OTLP.
 */
import { PicketError } from "../../event/errors.ts";

/** A request that cannot be read as a whole; nothing of it has become an event. */
export class OtlpError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "OtlpError";
  /** Which of the two encodings it was read as. */
  readonly code: "OTLP_PROTOBUF" | "OTLP_JSON";

  /** Made by decoders. */
  constructor(code: OtlpError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
