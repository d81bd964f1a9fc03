/**
 * JetStream as sinks and sources both use it.
 */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { NatsSettings } from "../settings.ts";
import { jetStreamOptions } from "./options.ts";

/** Makes a manager without asking the server first, which an agent may not be permitted to. */
export function manager(
  connection: NatsConnection,
  settings: NatsSettings,
): Promise<JetStreamManager> {
  return jetstreamManager(connection, { ...jetStreamOptions(settings), checkAPI: false });
}

/** What the reply subject of a delivered message tells. */
export interface Delivery {
  readonly stream: string;
  readonly consumer: string;
  /** How often it was delivered, 1 the first time. */
  readonly count: number;
  readonly streamSeq: number;
  /** Counts the deliveries of the consumer. */
  readonly consumerSeq: number;
  /** Messages behind this one. */
  readonly pending: number;
}

/**
 * `$JS.ACK.[domain.account.]stream.consumer.count.stream seq.consumer seq.time.pending[.token]`
 *
 * @returns `undefined` for other messages, such as status messages.
 */
export function deliveryOf(reply: string | undefined): Delivery | undefined {
  const tokens = (reply ?? "").split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const [stream, consumer, ...numbers] = tokens.slice(tokens.length >= 11 ? 4 : 2);
  const [count, streamSeq, consumerSeq, , pending] = numbers.map(Number);
  if (stream === undefined || consumer === undefined || pending === undefined) return undefined;
  return {
    stream,
    consumer,
    count: count!,
    streamSeq: streamSeq!,
    consumerSeq: consumerSeq!,
    pending,
  };
}
