/**
 * Syslog messages and their writers: what RFC 5424 and RFC 3164 say a line should look like.
 */
import fc from "fast-check";

/** What a line is made of; `undefined` is a NILVALUE or left out. */
export interface WrittenSyslog {
  readonly priority: number;
  readonly unixMs: number;
  readonly offsetMinutes: number;
  readonly hostname: string | undefined;
  readonly appname: string | undefined;
  readonly procid: string | undefined;
  readonly msgid: string | undefined;
  readonly structured: readonly {
    readonly id: string;
    readonly parameters: readonly (readonly [name: string, value: string])[];
  }[];
  readonly message: string;
}

const PRINTABLE = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));
const word = (without: RegExp, maxLength: number): fc.Arbitrary<string> =>
  fc.string({
    unit: fc.constantFrom(...PRINTABLE.filter((one) => !without.test(one))),
    minLength: 1,
    maxLength,
  });
const optional = (words: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
  fc.option(words.map((text) => text === "-" ? "--" : text), { nil: undefined });

const priority = fc.integer({ min: 0, max: 191 });
const unixMs = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2090, 0) });
const offsetMinutes = fc.integer({ min: -14 * 60, max: 14 * 60 });
const pid = fc.integer({ min: 0, max: 4_194_304 }).map(String);

/** Texts of any kind that begin and end with a letter, so that trimming does not touch them. */
function textOf(first: readonly string[]): fc.Arbitrary<string> {
  const inner = fc.string({ unit: "binary", maxLength: 30 });
  return fc.tuple(fc.constantFrom(...first), inner).map(([start, rest]) => `${start}${rest}z`);
}

const structured = fc.array(
  fc.record({
    id: word(/[="\]]/, 8),
    parameters: fc.array(
      fc.tuple(word(/[="\]]/, 6), fc.string({ maxLength: 12 })),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  { maxLength: 3 },
);

/** For `writeRfc5424`. */
export const rfc5424Message: fc.Arbitrary<WrittenSyslog> = fc.record({
  priority,
  unixMs,
  offsetMinutes,
  hostname: optional(word(/:/, 12)),
  appname: optional(word(/^$/, 12)),
  procid: optional(fc.oneof(pid, word(/\d/, 5))),
  msgid: optional(word(/^$/, 8)),
  structured,
  message: fc.oneof(fc.constant(""), textOf(["a", "-", "<", "é", "[", "\\", ":"])),
});

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9.-]{0,12}$/);
const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !text.endsWith(":")),
);

/** For `writeRfc3164`. */
export const rfc3164Message: fc.Arbitrary<WrittenSyslog> = fc.record({
  priority,
  unixMs: unixMs.map((ms) => Math.floor(ms / 1000) * 1000),
  offsetMinutes: fc.constant(0),
  hostname: fc.oneof(name, address),
  appname: fc.stringMatching(/^[A-Za-z_/][A-Za-z0-9_./()-]{0,12}$/),
  procid: fc.option(pid, { nil: undefined }),
  msgid: fc.constant(undefined),
  structured: fc.constant([]),
  message: textOf(["a", "-", "<", "é", "\\", "("]),
});

function escaped(value: string): string {
  return value.replace(/["\\\]]/g, "\\$&");
}

function clock(ms: number, offset: number): string {
  return new Date(ms + offset * 60_000).toISOString().slice(0, -1);
}

/** `+hh:mm` */
export function offsetText(minutes: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** RFC 5424, section 6. */
export function writeRfc5424(syslog: WrittenSyslog): string {
  const { unixMs, offsetMinutes, structured, message } = syslog;
  const data = structured.map(({ id, parameters }) =>
    `[${id}${parameters.map(([key, value]) => ` ${key}="${escaped(value)}"`).join("")}]`
  ).join("");
  return [
    `<${syslog.priority}>1`,
    `${clock(unixMs, offsetMinutes)}${offsetText(offsetMinutes)}`,
    syslog.hostname ?? "-",
    syslog.appname ?? "-",
    syslog.procid ?? "-",
    syslog.msgid ?? "-",
    data === "" ? "-" : data,
    ...(message === "" ? [] : [message]),
  ].join(" ");
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** RFC 3164, section 4.1: no year, no zone. */
export function writeRfc3164(syslog: WrittenSyslog): string {
  const { unixMs, hostname, appname, procid, message } = syslog;
  const date = new Date(unixMs);
  const day = String(date.getUTCDate()).padStart(2, " ");
  const time = `${MONTHS[date.getUTCMonth()]} ${day} ${clock(unixMs, 0).slice(11, 19)}`;
  const tag = procid === undefined ? appname : `${appname}[${procid}]`;
  return `<${syslog.priority}>${time} ${hostname} ${tag}: ${message}`;
}
