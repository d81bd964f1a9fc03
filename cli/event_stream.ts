/**
 * Reads server-sent events and lines out of chunks of text.
 */

/** One event of a stream. */
export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** A single event or line; alerts may hold whole events, so it is generous. */
const MAX_PENDING = 32 << 20;

/** The lines of a stream, without their ends; the last one only if it has an end. */
export async function* streamLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let pending = "";
  for await (const chunk of chunks) {
    pending += chunk;
    let from = 0;
    for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n", from)) {
      yield pending.slice(from, end).replace(/\r$/, "");
      from = end + 1;
    }
    pending = pending.slice(from);
    if (pending.length > MAX_PENDING) throw new Error("a line of the stream is too long");
  }
}

/** The events of a stream; comments, which keep it open, are left out. */
export async function* serverSentEvents(
  chunks: AsyncIterable<string>,
): AsyncGenerator<ServerSentEvent> {
  let id: string | undefined;
  let event = "message";
  let data: string[] = [];
  for await (const line of streamLines(chunks)) {
    if (line === "") {
      if (data.length > 0) yield { id, event, data: data.join("\n") };
      event = "message";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "id") id = value;
    else if (name === "event") event = value;
    else if (name === "data") data.push(value);
  }
}
