/**
 * Lines of `key=value` pairs.
 *
 * @see inputs.md, section 7
 */
import type { LogEvent } from "../event/event.ts";
import { FlatEvent } from "./flat_event.ts";

/** The pairs of `text` in their order; a word without `=` has the value `true`. */
export function parseLogfmt(_text: string): readonly (readonly [name: string, text: string])[] {
  return [];
}

/** Decodes a line, whatever it is. */
export function decodeLogfmt(line: string): LogEvent {
  return new FlatEvent(parseLogfmt(line));
}

/**
 * The pairs of a line that is nearly nothing else: at least `minPairs` of them with a `=`, and nine
 * tenths of its characters.
 */
export function certainLogfmt(
  _line: string,
  _minPairs: number,
): readonly (readonly [name: string, text: string])[] | undefined {
  return undefined;
}
