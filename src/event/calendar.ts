/**
 * The Gregorian calendar, before its introduction as well (ISO 8601).
 */

const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether there is such a day; months and days from 1. */
export function isDate(year: number, month: number, day: number): boolean {
  if (year < 0 || month < 1 || month > 12 || day < 1) return false;
  return day <= DAYS[month]! || (month === 2 && day === 29 && isLeapYear(year));
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/**
 * Days from 1970-01-01 to a day that exists, negative before; other days count on from the first of
 * their month.
 */
export function daysSince1970(year: number, month: number, day: number): number {
  // Years are counted from March, so that the leap day is the last of its year.
  const inYear = month > 2 ? month - 3 : month + 9;
  const since = month > 2 ? year : year - 1;
  return since * 365 + Math.floor(since / 4) - Math.floor(since / 100) + Math.floor(since / 400) +
    Math.floor((153 * inYear + 2) / 5) + day - 719_469;
}
