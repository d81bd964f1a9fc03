/**
 * Texts of messages that are known, as data.
 *
 * A message is looked up by its first word, so a program's table costs one search in a map and the
 * few expressions behind that word. Messages are written by whoever connects, so every expression
 * takes linear time: anchored at the start, no repetition in a repetition, and two repetitions meet
 * only where a character decides between them. `.` takes line ends as well, lest the end of a message
 * be looked for again and again.
 */

/** A name and a text, as events have them. */
export type TextField = readonly [name: string, text: string];

/** One text that a program writes. */
export interface MessagePattern {
  /** Stable: `_event` of events, by which rules may ask for the pattern. */
  readonly name: string;
  readonly regex: RegExp;
  /** The names of the groups, in order; `""` for one that is not wanted. */
  readonly fields: readonly string[];
  /** The Sigma category of events of this kind, where there is one. */
  readonly category?: string;
}

/** Patterns by the word that messages begin with; under `*` those that begin with any. */
export type PatternTable = { readonly [firstWord: string]: readonly MessagePattern[] };

/** What a pattern found. */
export interface PatternMatch {
  readonly pattern: MessagePattern;
  /** In the order of the text, without those that are empty. */
  readonly fields: TextField[];
}

/** Finds the pattern of a message. */
export type PatternSearch = (message: string) => PatternMatch | undefined;

/** Where a pattern found its message: the name of the pattern. Not searched for keywords. */
export const EVENT_FIELD = "_event";

/** Longer first words are no words. */
const MAX_WORD = 48;
const NONE: readonly MessagePattern[] = [];
const ANY = "*";

export function patternSearch(table: PatternTable): PatternSearch {
  const byWord = new Map(Object.entries(table));
  const any = byWord.get(ANY) ?? NONE;
  return (message) => {
    const own = byWord.get(firstWord(message));
    return (own === undefined ? undefined : firstMatch(own, message)) ?? firstMatch(any, message);
  };
}

/** Up to the first blank; `""` if that is far away. */
function firstWord(message: string): string {
  for (let at = 0; at < message.length && at < MAX_WORD; at++) {
    if (message.charCodeAt(at) === 32) return message.slice(0, at);
  }
  return message.length < MAX_WORD ? message : "";
}

function firstMatch(
  patterns: readonly MessagePattern[],
  message: string,
): PatternMatch | undefined {
  for (const pattern of patterns) {
    const groups = pattern.regex.exec(message);
    if (groups === null) continue;
    const fields: TextField[] = [];
    pattern.fields.forEach((name, at) => addField(fields, name, groups[at + 1]));
    return { pattern, fields };
  }
  return undefined;
}

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f.]*:[\da-f.]*:[\da-f:.]*(?:%\w+)?)$/i;

/** Where programs write either an address or a name, the text decides which it is. */
const HOST_NAMES: ReadonlyMap<string, string> = new Map([
  ["SourceIp", "SourceHostname"],
  ["DestinationIp", "DestinationHostname"],
]);

/** Adds a field unless it has no name or no text. */
export function addField(fields: TextField[], name: string, text: string | undefined): void {
  if (name === "" || text === undefined) return;
  const trimmed = text.trim();
  if (trimmed === "") return;
  const hostName = HOST_NAMES.get(name);
  fields.push([hostName === undefined || ADDRESS.test(trimmed) ? name : hostName, trimmed]);
}
