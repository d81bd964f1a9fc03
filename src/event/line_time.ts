/**
 * When a line of text says that it was written: of lines of no known format this is all that is
 * known beside their words.
 *
 * @see inputs.md, section 12
 */
import { readAnyTime, type TimestampOptions, unixMs, type WrittenTime } from "./timestamp.ts";

/**
 * What stands before the times of logs: a number (Cisco, Palo Alto Networks), a level, and one
 * character such as an opening bracket.
 */
const BEFORE =
  /\s*(?:\d{1,10}(?:: |,))?(?:\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b[\]:|]* *)?["'(\[*.]?/y;
/** Squid and Zeek write Unix time: seconds of 2001 to 2286, or milliseconds. */
const UNIX_TIME = /(\d{10}|\d{13})(\.\d{1,9})?(?=[\s|,])/y;
/** `I0710 03:45:00.000000`: programs of Google and Kubernetes. */
const KLOG = /[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d\.\d{6}) /y;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
/** Client, identity and user stand before the time of a request. */
const MAX_BEFORE_REQUEST = 256;
const MAX_BRACKETS = 4;
const SLASH = 47;

/** Unix milliseconds with their fraction; `undefined` if `line` does not begin with a time. */
export function lineTime(line: string, options: TimestampOptions): number | undefined {
  const time = readAnyTime(line, 0, options) ?? timeBehind(line, options);
  if (time !== undefined) return unixMs(time);
  const code = line.charCodeAt(0);
  return (isDigit(code)
    ? unixTime(line)
    : isDigit(line.charCodeAt(1))
    ? klogTime(line, options)
    : undefined) ?? requestTime(line, options);
}

function timeBehind(line: string, options: TimestampOptions): WrittenTime | undefined {
  BEFORE.lastIndex = 0;
  BEFORE.test(line);
  return BEFORE.lastIndex === 0 ? undefined : readAnyTime(line, BEFORE.lastIndex, options);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function unixTime(line: string): number | undefined {
  UNIX_TIME.lastIndex = 0;
  const written = UNIX_TIME.exec(line);
  if (written === null) return undefined;
  const number = Number(written[0]);
  if (written[1]!.length === 13) return number;
  return number >= 1e9 ? number * 1000 : undefined;
}

function klogTime(line: string, options: TimestampOptions): number | undefined {
  KLOG.lastIndex = 0;
  const written = KLOG.exec(line);
  const month = written === null ? undefined : MONTHS[Number(written[1]) - 1];
  if (month === undefined) return undefined;
  const time = readAnyTime(`${month} ${written![2]} ${written![3]}`, 0, options);
  return time === undefined ? undefined : unixMs(time);
}

/** `192.0.2.1 - frank [10/Jul/2024:03:45:00 +0200] "GET / HTTP/1.0"` */
function requestTime(line: string, options: TimestampOptions): number | undefined {
  let open = line.indexOf("[");
  for (let tries = 0; tries < MAX_BRACKETS && open >= 0 && open < MAX_BEFORE_REQUEST; tries++) {
    const at = open + 1;
    if (line.charCodeAt(at + 2) === SLASH) {
      const time = readAnyTime(line, at, options);
      if (time !== undefined) return unixMs(time);
    }
    open = line.indexOf("[", at);
  }
  return undefined;
}
