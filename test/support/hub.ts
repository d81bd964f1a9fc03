/**
 * What a JetStream stream holds, read with a client of its own.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

export interface StoredAlert {
  readonly msgId: string;
  readonly body: Readonly<Record<string, unknown>> & {
    readonly matched_fields: readonly { readonly field: string; readonly value: unknown }[];
  };
}

/** Makes the stream that alerts go to. */
export async function makeStream(url: string, name: string, subject: string): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name, subjects: [subject], duplicate_window: 120_000_000_000 });
  await connection.close();
}

/** How many messages the stream holds. */
export async function streamCount(url: string, name: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    const manager = await jetstreamManager(connection);
    return (await manager.streams.info(name)).state.messages;
  } finally {
    await connection.close();
  }
}

/** Every message of the stream, in its order. */
export async function storedAlerts(url: string, name: string): Promise<StoredAlert[]> {
  const connection = await connect({ servers: url });
  try {
    const total = (await (await jetstreamManager(connection)).streams.info(name)).state.messages;
    const found: StoredAlert[] = [];
    if (total === 0) return found;
    const consumer = await jetstream(connection).consumers.get(name);
    for await (const message of await consumer.consume({ max_messages: 1000 })) {
      found.push({
        msgId: message.headers?.get("Nats-Msg-Id") ?? "",
        body: message.json(),
      });
      if (found.length >= total) break;
    }
    return found;
  } finally {
    await connection.close();
  }
}
