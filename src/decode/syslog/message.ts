/**
 * What a syslog line consists of.
 */
import type { StructuredFields } from "./structured_data.ts";

/** What both RFCs have behind `<PRI>`; absent parts are `undefined`. */
export interface SyslogBody {
  /** RFC 3339 with a numeric offset. */
  readonly timestamp: string | undefined;
  readonly hostname: string | undefined;
  readonly appname: string | undefined;
  readonly procid: string | undefined;
  readonly msgid: string | undefined;
  /** `<sd-id>.<name>` and value, in the order of the line. */
  readonly structured: StructuredFields;
  readonly message: string;
  /** Hardly any other log has lines of this form, also without `<PRI>`. */
  readonly isCertain: boolean;
}

/** A line taken apart. */
export interface SyslogMessage extends SyslogBody {
  /** 0 to 31; names are known up to 23. */
  readonly facility: number | undefined;
  /** 0 to 7. */
  readonly severity: number | undefined;
}
