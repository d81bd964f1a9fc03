// @ts-check
/**
 * How values look: numbers, sizes, durations, times, and text that may be hostile. No DOM here, so
 * that the tests run it as it is.
 */

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `12,345`. @param {number} value */
export function number(value) {
  return NUMBER.format(value);
}

/** A rate a second with as many digits as matter. @param {number} value */
export function rate(value) {
  if (value >= 100) return NUMBER.format(value);
  if (value >= 10) return value.toFixed(1);
  return value === 0 ? "0" : value < 0.01 ? "<0.01" : value.toFixed(2);
}

/** `3.2 MiB`. @param {number} value */
export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let scaled = value;
  while (scaled >= 1024 && at < units.length - 1) {
    scaled /= 1024;
    at++;
  }
  return `${at === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[at]}`;
}

/** `2 d 3 h`: the two largest units. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return seconds <= 0 ? "0 s" : "<1 s";
  const whole = Math.floor(seconds);
  /** @type {[number, string][]} */
  const units = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = units.findIndex(([count]) => count > 0);
  return units.slice(first, first + 2).filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** `5 s ago`, `in 3 min`; beyond two days the local date and time. @param {number} ms Unix milliseconds. @param {number} nowMs */
export function relative(ms, nowMs) {
  const seconds = (nowMs - ms) / 1000;
  if (Math.abs(seconds) < 1) return "just now";
  // Nobody counts back 40 days.
  if (Math.abs(seconds) > 2 * 86_400) return localTime(ms).slice(0, 16);
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

/** Local date and time, `2026-11-23 14:05:09`. @param {number} ms Unix milliseconds. */
export function localTime(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "invalid time";
  /** @param {number} value */
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-23 13:05:09 UTC`. @param {number} ms Unix milliseconds. */
export function utcTime(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "invalid time";
  return `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** `1 rule`, `2 rules`. @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** `bytes_read` as `bytes read`. @param {string} key */
export function words(key) {
  return key.replaceAll("_", " ");
}

/**
 * What must not act where it is shown: control characters (terminal escapes among them), marks that
 * turn the direction of writing or join letters invisibly, blanks that look like nothing, lone
 * surrogates. Tabs and line ends stay.
 */
const HIDDEN = /(?![\t\n]|\r\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Longer texts are cut where they are shown; copying gives all of them. */
export const MAX_SHOWN = 20_000;

/**
 * Cuts a text into what can be shown and what has to be spelled out.
 *
 * @param {string} text
 * @returns {{ text: string, hidden: boolean }[]} `hidden`: an escape such as `\u202e`.
 */
export function pieces(text) {
  const shown = text.length > MAX_SHOWN ? text.slice(0, MAX_SHOWN) : text;
  const found = [];
  let end = 0;
  for (const match of shown.matchAll(HIDDEN)) {
    if (match.index > end) found.push({ text: shown.slice(end, match.index), hidden: false });
    found.push({ text: escaped(match[0]), hidden: true });
    end = match.index + match[0].length;
  }
  if (end < shown.length) found.push({ text: shown.slice(end), hidden: false });
  if (shown !== text) {
    found.push({ text: `... ${number(text.length - shown.length)} more characters`, hidden: true });
  }
  return found;
}

/** The same as one text, for titles and labels. @param {string} text */
export function plain(text) {
  return pieces(text).map((piece) => piece.text).join("");
}

/** @param {string} character */
function escaped(character) {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\u{${code.toString(16)}}`;
}
