/**
 * What is worth knowing about the stream that alerts go to, looked at once for each connection.
 */
import {
  DiscardPolicy,
  JetStreamApiCodes,
  RetentionPolicy,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { apiCode, describeFailure } from "../../runtime/nats/failure.ts";
import { manager } from "../../runtime/nats/jetstream.ts";
import { derivedName } from "../../runtime/nats/names.ts";
import type { NatsSinkSettings } from "../../runtime/settings.ts";

export const MIN_DUPLICATE_WINDOW_MS = 120_000;

export interface StreamCheck {
  /** The stream's name, if it was found. */
  readonly stream: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * Finds the stream and says what may cost alerts or give some twice. Makes the stream where the
 * settings say so. Not being permitted to look is no failure.
 *
 * @see spec/delivery.md, section 20.3 (4)
 */
export async function checkStream(
  connection: NatsConnection,
  settings: NatsSinkSettings,
  filter: string,
): Promise<StreamCheck> {
  const jsm = await manager(connection, settings.nats);
  try {
    const stream = settings.expectStream ?? await jsm.streams.find(filter);
    const { config } = await jsm.streams.info(stream);
    return { stream, warnings: warningsOf(config, settings) };
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.StreamNotFound) {
      return {
        stream: settings.expectStream,
        warnings: [`the stream of ${filter} cannot be looked at: ${describeFailure(error)}`],
      };
    }
    if (settings.createStream !== true) {
      return {
        stream: undefined,
        warnings: [`no stream has ${filter}; alerts wait until one does`],
      };
    }
  }
  const name = settings.expectStream ?? derivedName("picket", filter);
  try {
    const { config } = await jsm.streams.add({
      name,
      subjects: [filter],
      duplicate_window: nanos(Math.max(MIN_DUPLICATE_WINDOW_MS, wantedWindowMs(settings))),
    });
    return { stream: name, warnings: warningsOf(config, settings) };
  } catch (error) {
    return {
      stream: undefined,
      warnings: [`stream ${name} cannot be made: ${describeFailure(error)}`],
    };
  }
}

function wantedWindowMs(settings: NatsSinkSettings): number {
  return settings.minDuplicateWindowMs ?? MIN_DUPLICATE_WINDOW_MS;
}

function warningsOf(config: StreamConfig, settings: NatsSinkSettings): readonly string[] {
  const { name } = config;
  const windowMs = config.duplicate_window / 1e6;
  const warnings: string[] = [];
  if (windowMs < wantedWindowMs(settings)) {
    warnings.push(`stream ${name} knows duplicates for ${windowMs / 1000} s only`);
  }
  const bounded = config.max_age > 0 || config.max_bytes > 0 || config.max_msgs > 0;
  if (bounded && config.discard === DiscardPolicy.Old) {
    warnings.push(`stream ${name} discards its oldest alerts at a limit, whether read or not`);
  }
  if (config.max_msgs_per_subject > 0) {
    warnings.push(`stream ${name} keeps ${config.max_msgs_per_subject} alerts a subject only`);
  }
  if (config.retention !== RetentionPolicy.Limits) {
    warnings.push(`stream ${name} removes what was read, so what it once had cannot be told`);
  }
  if (config.no_ack) warnings.push(`stream ${name} does not acknowledge: every publish will fail`);
  if (config.sealed) warnings.push(`stream ${name} is sealed`);
  return warnings;
}
