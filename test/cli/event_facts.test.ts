/**
 * What the timeline says of an event that was decoded from text.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventMessage, jsonMessage } from "../../cli/scan/event_facts.ts";
import { parseLine } from "../../src/decode/parse_line.ts";

const MESSAGES: readonly (readonly [line: string, message: string | undefined])[] = [
  ['{"message":"disk full"}', undefined],
  ["[   12.345678] usb 1-1: new device", "[   12.345678] usb 1-1: new device"],
  ["{not json}", "{not json}"],
  ["disk full", "disk full"],
  ["<13>Oct 11 22:14:15 web su: disk full", "disk full"],
  ["<13>1 2024-01-15T10:30:00Z web app - - -", "<13>1 2024-01-15T10:30:00Z web app - - -"],
  ["x".repeat(500), "x".repeat(400)],
];
for (const [line, message] of MESSAGES) {
  test(`eventMessage() of ${line.slice(0, 40)}`, () => {
    assert.equal(eventMessage(parseLine(line)!, line), message);
  });
}

// JSON has no one name for what is written for people.
const JSON_MESSAGES: readonly (readonly [line: string, message: string | undefined])[] = [
  ['{"message":"disk full"}', "disk full"],
  ['{"MESSAGE":"disk full","PRIORITY":"3"}', "disk full"],
  ['{"msg":"","log":"disk full\\n"}', "disk full\n"],
  ['{"message":{"text":"disk full"}}', undefined],
  ['{"EventID":1}', undefined],
];

for (const [line, message] of JSON_MESSAGES) {
  test(`jsonMessage() of ${line}`, () => {
    assert.equal(jsonMessage(parseLine(line)!), message);
  });
}
