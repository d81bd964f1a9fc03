/**
 * Alerts as NATS messages that the server's limit lets pass.
 */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { Alert } from "../../runtime/alert.ts";

/** Smaller bodies hardly gain by compression. */
const GZIP_ABOVE_BYTES = 1024;
/** Room for the headers of expected streams and sequences, which are added later. */
const HEADER_SLACK = 300;

export interface NatsMessage {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  /** Whether the event had to be left out. */
  readonly truncated: boolean;
}

export interface MessageOptions {
  readonly gzip: boolean;
  readonly extra: ReadonlyMap<string, (alert: Alert) => string>;
  /** Bytes of headers and body together. */
  readonly maxPayload: number;
}

/**
 * @returns `undefined` if the alert does not fit even without its event.
 * @see spec/delivery.md, sections 20.3 (5) and 20.8
 */
export function natsMessage(alert: Alert, options: MessageOptions): NatsMessage | undefined {
  const whole = encode(alert, alert.body, options, false);
  if (whole !== undefined) return whole;
  const less = withoutEvent(alert.body);
  return less === undefined ? undefined : encode(alert, less, options, true);
}

function encode(
  alert: Alert,
  body: string,
  options: MessageOptions,
  truncated: boolean,
): NatsMessage | undefined {
  const plain = Buffer.from(body, "utf8");
  const zipped = options.gzip && plain.length > GZIP_ABOVE_BYTES;
  const data = zipped ? gzipSync(plain) : plain;
  const fields = headers();
  fields.set("Nats-Msg-Id", alert.id);
  fields.set("Content-Type", "application/json");
  if (zipped) fields.set("Content-Encoding", "gzip");
  for (const [name, value] of options.extra) {
    const text = value(alert);
    if (text !== "") fields.set(name, text);
  }
  let size = HEADER_SLACK + data.length;
  for (const name of fields.keys()) size += Buffer.byteLength(name + fields.get(name)) + 4;
  return size > options.maxPayload ? undefined : { data, headers: fields, truncated };
}

/** The alert without the events it kept; `undefined` if there is nothing to leave out. */
export function withoutEvent(body: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const truncated = ["event", "events"].filter((name) => Object.hasOwn(value, name));
  if (truncated.length === 0) return undefined;
  const rest = Object.fromEntries(
    Object.entries(value).filter(([name]) => !truncated.includes(name)),
  );
  return JSON.stringify({ ...rest, truncated });
}
