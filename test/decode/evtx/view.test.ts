import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EvtxEvent } from "../../../src/decode/evtx/event.ts";
import { internField } from "../../../src/event/field.ts";
import { lookup } from "../../../src/event/lookup.ts";
import { isObject, type Value } from "../../../src/event/value.ts";
import { windowsEvent } from "../../arbitraries/evtx.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";
import { eventRecord, type EventStyle, type WindowsEventSpec } from "../../support/evtx_event.ts";
import { element, instance, normal, template, text } from "../../support/evtx_tree.ts";
import { fragment, guid, hexInt32, raw, string, TYPE, utf16 } from "../../support/evtx_values.ts";
import { oneChunk, writeEvtxFile } from "../../support/evtx_writer.ts";

const GUID = "54849625-5478-4994-A5BA-3E3B0328C30D";
const BRACED = "{54849625-5478-4994-a5ba-3e3b0328c30d}";

const PROCESS: WindowsEventSpec = {
  channel: "Microsoft-Windows-Sysmon/Operational",
  provider: "Microsoft-Windows-Sysmon",
  providerGuid: GUID,
  eventId: 1,
  recordId: 1742n,
  level: 4,
  time: "2017-12-26T13:10:29.1360002Z",
  computer: "ws1.corp.example",
  userId: "S-1-5-18",
  processId: 1800,
  threadId: 2124,
  activityId: GUID,
  data: [
    ["Image", String.raw`C:\Windows\PING.EXE`],
    ["CommandLine", "ping  -n 6 127.0.0.1 "],
    ["ProcessGuid", guid(GUID)],
    ["LogonId", hexInt32(0x3e7)],
    ["Level", "from the data"],
    ["UserID", "also from the data"],
    ["Hashes", "a"],
    ["Hashes", "b"],
    ["Empty", ""],
    ["dotted.name", "reached"],
    [undefined, "without a name"],
  ],
};

const CLASSIC: WindowsEventSpec = {
  channel: "System",
  provider: "Service Control Manager",
  eventSourceName: "Service Control",
  eventId: 7045,
  qualifiers: 16384,
  time: "2020-01-01T00:00:00.0000000Z",
  computer: "c",
  data: [[undefined, "x"], [undefined, ""], [undefined, "z"]],
  binary: Uint8Array.of(0xde, 0xad),
};

const CLEARED: WindowsEventSpec = {
  channel: "Security",
  provider: "Microsoft-Windows-Eventlog",
  eventId: 1102,
  time: "2020-01-01T00:00:00.0000000Z",
  computer: "c",
  userData: {
    element: "LogFileCleared",
    namespace: "http://manifests.microsoft.com/win/2004/08/windows/eventlog",
    fields: { SubjectUserName: "bob", SubjectDomainName: "CORP" },
  },
};

const DETAILS = "\tNewEngineState=Available\n\tPreviousEngineState=None\n\n\t" +
  "HostApplication=powershell -c a=b\n  second line\n\tEngineVersion=5.1\n\tPipelineId=";

const POWERSHELL: WindowsEventSpec = {
  channel: "Windows PowerShell",
  provider: "PowerShell",
  eventId: 400,
  qualifiers: 0,
  time: "2020-01-01T00:00:00.0000000Z",
  computer: "c",
  data: [[undefined, "Available"], [undefined, "None"], [undefined, DETAILS]],
};

/** Section 15.5: event, field, value; `undefined` where the event does not have the field. */
const FIELDS: readonly (readonly [WindowsEventSpec, string, Value | undefined])[] = [
  [PROCESS, "EventID", 1],
  [PROCESS, "Event.System.EventID", 1],
  [PROCESS, "Qualifiers", undefined],
  [PROCESS, "EventRecordID", 1742],
  [PROCESS, "Channel", "Microsoft-Windows-Sysmon/Operational"],
  [PROCESS, "Computer", "ws1.corp.example"],
  [PROCESS, "Level", 4],
  [PROCESS, "Event.EventData.Level", "from the data"],
  [PROCESS, "Provider_Name", "Microsoft-Windows-Sysmon"],
  [PROCESS, "ProviderName", "Microsoft-Windows-Sysmon"],
  [PROCESS, "Provider", "Microsoft-Windows-Sysmon"],
  [PROCESS, "SourceName", "Microsoft-Windows-Sysmon"],
  [PROCESS, "Event.System.Provider.#attributes.Name", "Microsoft-Windows-Sysmon"],
  [PROCESS, "Provider_Guid", BRACED],
  [PROCESS, "EventSourceName", undefined],
  [PROCESS, "TimeCreated", "2017-12-26T13:10:29.136000Z"],
  [PROCESS, "SystemTime", "2017-12-26T13:10:29.136000Z"],
  [PROCESS, "Execution_ProcessID", 1800],
  [PROCESS, "Execution_ThreadID", 2124],
  [PROCESS, "ActivityID", GUID],
  [PROCESS, "RelatedActivityID", undefined],
  [PROCESS, "UserID", "also from the data"],
  [PROCESS, "Security_UserID", "S-1-5-18"],
  [PROCESS, "Image", String.raw`C:\Windows\PING.EXE`],
  [PROCESS, "image", String.raw`C:\Windows\PING.EXE`],
  [PROCESS, "Event.EventData.Image", String.raw`C:\Windows\PING.EXE`],
  [PROCESS, "EventData.Image", String.raw`C:\Windows\PING.EXE`],
  [PROCESS, "Event.EventData.image", undefined],
  [PROCESS, "CommandLine", "ping  -n 6 127.0.0.1 "],
  [PROCESS, "ProcessGuid", GUID],
  [PROCESS, "LogonId", "0x3e7"],
  [PROCESS, "Hashes", ["a", "b"]],
  [PROCESS, "Hashes[1]", "b"],
  [PROCESS, "Empty", ""],
  [PROCESS, "dotted.name", "reached"],
  [PROCESS, "Event.EventData.dotted.name", "reached"],
  [PROCESS, "Data", ["without a name"]],
  [PROCESS, "toString", undefined],
  [PROCESS, "HostApplication", undefined],
  [CLASSIC, "EventID", 7045],
  [CLASSIC, "Event.System.EventID", 7045],
  [CLASSIC, "Event.System.EventID.#text", 7045],
  [CLASSIC, "Event.System.EventID.#attributes.Qualifiers", 16384],
  [CLASSIC, "Qualifiers", 16384],
  [CLASSIC, "SourceName", "Service Control"],
  [CLASSIC, "Data", ["x", "", "z"]],
  [CLASSIC, "Data[0]", "x"],
  [CLASSIC, "Data[-1]", "z"],
  [CLASSIC, "Data[3]", undefined],
  [CLASSIC, "Binary", "DEAD"],
  [CLASSIC, "Event.EventData.Data.#text", ["x", "", "z"]],
  [CLEARED, "SubjectUserName", "bob"],
  [CLEARED, "UserData.LogFileCleared.SubjectUserName", "bob"],
  [CLEARED, "Event.UserData.LogFileCleared.SubjectDomainName", "CORP"],
  [CLEARED, "Data", undefined],
  // Section 19: the lines of classic PowerShell events.
  [POWERSHELL, "EngineVersion", "5.1"],
  [POWERSHELL, "HostApplication", "powershell -c a=b\n  second line"],
  [POWERSHELL, "PipelineId", ""],
  [POWERSHELL, "ScriptName", undefined],
];

function withEvent(
  spec: WindowsEventSpec,
  use: (event: EvtxEvent) => void,
  style: EventStyle = {},
): void {
  let calls = 0;
  decodeEvtx(oneChunk([eventRecord(spec, 1n, style)]).bytes, {}, (event) => {
    calls++;
    use(event);
  });
  assert.equal(calls, 1);
}

for (const [spec, name, expected] of FIELDS) {
  test(`EvtxEvent ${spec.eventId} has ${name}: ${JSON.stringify(expected)}`, () => {
    withEvent(spec, (event) => {
      assert.deepEqual(event.get(internField(name)), expected);
      assert.deepEqual(event.get(internField(name)), expected, "asked again");
      assert.deepEqual(event.snapshot().get(internField(name)), expected, "asked of a copy");
    });
  });
}

test("a record without templates answers to the same names, with its numbers as text", () => {
  const spec = { ...PROCESS, data: { Image: "cmd.exe" } };
  withEvent(spec, (event) => {
    assert.equal(event.eventId, 1);
    assert.equal(event.get(internField("EventID")), 1);
    assert.equal(event.get(internField("Level")), "4");
    assert.equal(event.get(internField("Image")), "cmd.exe");
    assert.equal(event.timestampMs, Date.UTC(2017, 11, 26, 13, 10, 29, 136));
    assert.equal(event.timestampRemainder, 2);
  }, { templateless: true });
});

test("getters give what every scan asks for", () => {
  withEvent(PROCESS, (event) => {
    const { recordId, eventId, channel, provider, computer } = event;
    assert.deepEqual([recordId, eventId, channel, provider, computer], [
      1742,
      1,
      PROCESS.channel,
      PROCESS.provider,
      PROCESS.computer,
    ]);
    assert.equal(event.timestampMs, Date.UTC(2017, 11, 26, 13, 10, 29, 136));
    assert.equal(event.timestampRemainder, 2);
    assert.equal(event.timestampText, "2017-12-26T13:10:29.136000Z");
    assert.equal(event.writtenMs, event.timestampMs);
    assert.equal(event.offset, 4096 + 512);
  });
});

test("alternateText() gives the braced spelling of GUIDs and the whole of strings with NULs", () => {
  const spec = { ...PROCESS, data: { Id: guid(GUID), Cut: raw(TYPE.string, utf16("a\0b\0")) } };
  withEvent(spec, (event) => {
    assert.equal(event.alternateText(internField("Id")), BRACED);
    assert.equal(event.get(internField("Cut")), "a");
    assert.equal(event.alternateText(internField("Cut")), "a\u2400b");
    assert.equal(event.alternateText(internField("Provider_Guid")), GUID);
    assert.equal(event.alternateText(internField("Channel")), undefined);
    assert.equal(event.alternateText(internField("Absent")), undefined);
  });
});

test("someText() visits every text of the projection, and `Data` without a name", () => {
  withEvent(PROCESS, (event) => {
    const seen: string[] = [];
    assert.equal(event.someText((leaf) => seen.push(leaf) === 0), false);
    for (const leaf of ["ping  -n 6 127.0.0.1 ", "a", "b", "1800", GUID, "without a name"]) {
      assert.ok(seen.includes(leaf), leaf);
    }
    assert.ok(!seen.includes("Image"), "names are no text");
    assert.equal(event.someText((leaf) => leaf === "b"), true);
  });
});

test("RenderingInfo of forwarded events is `Message`", () => {
  const root = element("Event", {}, [
    element("System", {}, [element("EventID", {}, [text("5")])]),
    element("RenderingInfo", { Culture: "en-US" }, [element("Message", {}, [text("It started.")])]),
  ]);
  decodeEvtx(
    oneChunk([{ id: 1n, writtenTicks: 133500000000000001n, body: [root] }]).bytes,
    {},
    (e) => {
      assert.equal(e.get(internField("Message")), "It started.");
      assert.equal(e.get(internField("EventID")), 5);
      // There is no TimeCreated, so the record's own time serves.
      assert.equal(e.timestampText, "2024-01-17T21:20:00.000000Z");
    },
  );
});

test("a `Data` whose name is itself a substitution is found by that name", () => {
  const inner = template(
    "aaaaaaaa-0002-4000-8000-000000000002",
    element("EventData", {}, [
      element("Data", { Name: normal(0, TYPE.string) }, [normal(1, TYPE.string)]),
    ]),
  );
  const outer = template(
    "aaaaaaaa-0001-4000-8000-000000000001",
    element("Event", {}, [element("System"), normal(0, TYPE.fragment)]),
  );
  const records = ["One", "Two"].map((name, at) => ({
    id: BigInt(at + 1),
    writtenTicks: 133500000000000001n,
    body: [instance(outer, [fragment([instance(inner, [string(name), string("v")])])])],
  }));
  const found: unknown[] = [];
  decodeEvtx(oneChunk(records).bytes, {}, (event) => {
    found.push([event.get(internField("One")), event.get(internField("Two"))]);
  });
  assert.deepEqual(found, [["v", undefined], [undefined, "v"]]);
});

/** Names that mean a System child whatever the data is called. */
const SYSTEM_NAMES =
  /^(EventID|Qualifiers|Version|Level|Task|Opcode|Keywords|EventRecordID|Channel|Computer|Event\b.*)$/;

test("flat names and paths say what the projection says", () => {
  fc.assert(fc.property(fc.array(windowsEvent, { minLength: 1, maxLength: 5 }), (cases) => {
    const records = cases.map(({ spec, style }) => eventRecord(spec, 0n, style));
    decodeEvtx(writeEvtxFile([{ records }]).bytes, {}, (event) => {
      const projection = event.toValue();
      const root = projection["Event"];
      const data = isObject(root) ? root["EventData"] : undefined;
      for (const [name, value] of Object.entries(isObject(data) ? data : {})) {
        const path = internField(`Event.EventData.${name}`);
        assert.deepEqual(event.get(path), lookup(projection, path), path.name);
        if (SYSTEM_NAMES.test(name) || name === "Data") continue;
        assert.deepEqual(event.get(internField(name)), value, name);
      }
    });
  }));
});
