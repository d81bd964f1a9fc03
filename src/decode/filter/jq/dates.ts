/**
 * Built-in functions on times, all in UTC.
 */
import type { Value } from "../../../event/value.ts";
import { computed, type Native, simple } from "./machine.ts";
import { isArray, isNumber, JqError, shown } from "./values.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
/** The longest that a format may be: each letter gives some characters. */
const MAX_FORMAT = 1000;

/** Longer texts are no times, and blanks at the end of long ones would be looked at again and again. */
const MAX_TIME = 200;

/** Year, month from 0, day, hour, minute, second, weekday from Sunday, day of the year from 0. */
type BrokenDown = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

function brokenDown(seconds: number): BrokenDown {
  const date = new Date(Math.floor(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw new JqError("the time is out of range");
  const year = date.getUTCFullYear();
  const dayOfYear = Math.floor((date.getTime() - Date.UTC(year, 0, 1)) / 86_400_000);
  return [
    year,
    date.getUTCMonth(),
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds() + (seconds - Math.floor(seconds)),
    date.getUTCDay(),
    dayOfYear,
  ];
}

/** A time as seconds or broken down. */
function timeOf(value: Value, name: string): BrokenDown {
  if (isNumber(value)) return brokenDown(Number(value));
  const parts = isArray(value) ? value.slice(0, 8) : [];
  if (parts.length === 0 || !parts.every((one) => typeof one === "number")) {
    throw new JqError(`${name} requires a number or parsed datetime inputs`);
  }
  const [year, month = 0, day = 1, hour = 0, minute = 0, second = 0] = parts as readonly number[];
  return brokenDown(seconds([year!, month, day, hour, minute, second]));
}

function seconds([year, month, day, hour, minute, second]: readonly number[]): number {
  const date = new Date(0);
  date.setUTCFullYear(year!, month!, day!);
  date.setUTCHours(hour!, minute!, Math.floor(second!));
  return Math.floor(date.getTime() / 1000);
}

function pad(value: number, width = 2): string {
  return String(Math.floor(value)).padStart(width, "0");
}

function formatted(time: BrokenDown, format: string): string {
  if (format.length > MAX_FORMAT) throw new JqError("the format is too long");
  return format.replace(/%([a-zA-Z%])/g, (whole, letter: string) => {
    const short = COMBINED[letter];
    if (short !== undefined) return formatted(time, short);
    return conversion(time, letter) ?? whole;
  });
}

const COMBINED: Readonly<Record<string, string>> = {
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  R: "%H:%M",
  T: "%H:%M:%S",
  c: "%a %b %e %H:%M:%S %Y",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
  r: "%I:%M:%S %p",
  h: "%b",
};

function conversion(time: BrokenDown, letter: string): string | undefined {
  const [year, month, day, hour, minute, second, weekday, dayOfYear] = time;
  switch (letter) {
    case "Y":
      return String(year);
    case "y":
      return pad(year % 100);
    case "C":
      return pad(year / 100);
    case "m":
      return pad(month + 1);
    case "d":
      return pad(day);
    case "e":
      return String(day).padStart(2);
    case "H":
      return pad(hour);
    case "I":
      return pad(hour % 12 === 0 ? 12 : hour % 12);
    case "M":
      return pad(minute);
    case "S":
      return pad(second);
    case "j":
      return pad(dayOfYear + 1, 3);
    case "a":
      return DAYS[weekday]!.slice(0, 3);
    case "A":
      return DAYS[weekday]!;
    case "b":
      return MONTHS[month]!.slice(0, 3);
    case "B":
      return MONTHS[month]!;
    case "p":
      return hour < 12 ? "AM" : "PM";
    case "s":
      return String(seconds(time));
    case "u":
      return String(weekday === 0 ? 7 : weekday);
    case "w":
      return String(weekday);
    case "Z":
      return "UTC";
    case "z":
      return "+0000";
    case "n":
      return "\n";
    case "t":
      return "\t";
    case "%":
      return "%";
  }
  return undefined;
}

/** What each conversion reads: its pattern, and what it tells. */
const READERS: Readonly<Record<string, string>> = {
  Y: "(?<Y>[+-]?\\d{1,4})",
  y: "(?<y>\\d\\d)",
  m: "(?<m>\\d{1,2})",
  d: "(?<d>\\d{1,2})",
  e: "\\s*(?<d>\\d{1,2})",
  H: "(?<H>\\d{1,2})",
  M: "(?<M>\\d{1,2})",
  S: "(?<S>\\d{1,2})",
  j: "(?<j>\\d{1,3})",
  b: "(?<b>[A-Za-z]{3,9})",
  B: "(?<b>[A-Za-z]{3,9})",
  h: "(?<b>[A-Za-z]{3,9})",
  a: "[A-Za-z]{3,9}",
  A: "[A-Za-z]{3,9}",
  s: "(?<s>-?\\d{1,12})",
  Z: "[A-Za-z]{1,6}",
  z: "(?<z>Z|[+-]\\d\\d:?\\d\\d)",
  "%": "%",
};

function parsed(text: string, format: string): BrokenDown {
  if (format.length > MAX_FORMAT) throw new JqError("the format is too long");
  const wrong = (): JqError =>
    new JqError(`date ${JSON.stringify(text.slice(0, 60))} does not match format "${format}"`);
  if (text.length > MAX_TIME) throw wrong();
  const spread = format.replace(/%([DFRTc])/g, (_whole, letter: string) => COMBINED[letter]!);
  const seen = new Set<string>();
  const pattern = spread.replace(/%(.)|\s+|[^\w\s%]/g, (part, letter?: string) => {
    if (letter === undefined) return /\s/.test(part) ? "\\s*" : `\\${part}`;
    const reader = READERS[letter];
    // A conversion that stands twice cannot be told apart.
    if (reader === undefined || seen.has(reader)) throw wrong();
    seen.add(reader);
    return reader;
  });
  const groups = new RegExp(`^${pattern}$`).exec(text)?.groups;
  if (groups === undefined) throw wrong();
  const number = (name: string): number | undefined =>
    groups[name] === undefined ? undefined : Number(groups[name]);
  if (groups["s"] !== undefined) return brokenDown(number("s")!);
  const named = groups["b"]?.slice(0, 3).toLowerCase();
  const month = named === undefined
    ? (number("m") ?? 1) - 1
    : MONTHS.findIndex((one) => one.slice(0, 3).toLowerCase() === named);
  const short = number("y");
  const year = number("Y") ??
    (short === undefined ? 1900 : short < 69 ? 2000 + short : 1900 + short);
  const day = number("d") ?? 1;
  const [hour, minute, second] = [number("H") ?? 0, number("M") ?? 0, number("S") ?? 0];
  const isPossible = month >= 0 && month < 12 && day >= 1 && day <= 31 && hour < 24 &&
    minute < 60 && second < 62;
  if (!isPossible) throw wrong();
  const ofYear = number("j");
  return ofYear === undefined
    ? brokenDown(seconds([year, month, day, hour, minute, second]))
    : brokenDown(seconds([year, 0, ofYear, hour, minute, second]));
}

export const DATES: Readonly<Record<string, Native>> = {
  "gmtime/0": simple((input) => {
    if (!isNumber(input)) throw new JqError("gmtime() requires a number");
    return brokenDown(Number(input));
  }),
  "mktime/0": simple((input) => {
    if (!isArray(input)) throw new JqError("mktime requires array of 6 numbers");
    return seconds(timeOf(input, "mktime"));
  }),
  "strftime/1": computed((input, [format]) => {
    if (typeof format !== "string") throw new JqError("strftime/1 requires a string format");
    return formatted(timeOf(input, "strftime/1"), format);
  }),
  "strptime/1": computed((input, [format]) => {
    if (typeof input !== "string") {
      throw new JqError(`strptime/1 requires string inputs and arguments, not ${shown(input)}`);
    }
    if (typeof format !== "string") {
      throw new JqError("strptime/1 requires string inputs and arguments");
    }
    return parsed(input, format);
  }),
};
