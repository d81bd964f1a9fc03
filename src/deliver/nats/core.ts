/**
 * Publishing to core NATS: nobody acknowledges, so a flush is all there is.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { NatsLink } from "../../runtime/nats/connection.ts";
import type { NatsMessage } from "./message.ts";
import { withSignal } from "./window.ts";

/**
 * Publishes and waits until the server has read everything.
 *
 * @returns The subjects that the server refused, and why.
 */
export async function publishCore(
  { connection, link }: { readonly connection: NatsConnection; readonly link: NatsLink },
  messages: readonly { readonly subject: string; readonly message: NatsMessage }[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Error>> {
  const refused = new Map<string, Error>();
  const unlisten = link.onViolation((subject, error) => refused.set(subject, error));
  try {
    for (const { subject, message } of messages) {
      connection.publish(subject, message.data, { headers: message.headers });
    }
    await withSignal(connection.flush(), signal);
    // The server's refusals came before its pong, but are handed on in turns of their own.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return refused;
  } finally {
    unlisten();
  }
}
