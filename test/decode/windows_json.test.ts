/**
 * evtx.md, sections 15.5 (names) and 15.6 (channels), for events that other programs wrote as JSON.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { resultsOf, rulesOf, ruleText } from "../support/rules.ts";

const PROVIDER = "Microsoft-Windows-Sysmon";
const GUID = "5770385F-C22A-43E0-BF4C-06F5698FFBD9";

/** As `evtx_dump` writes it: attributes inside the element, the text beside them. */
const DUMPED: Value = {
  Event: {
    "#attributes": { xmlns: "http://schemas.microsoft.com/win/2004/08/events/event" },
    System: {
      Provider: { "#attributes": { Name: PROVIDER, Guid: GUID, EventSourceName: "Classic" } },
      EventID: { "#text": 1, "#attributes": { Qualifiers: 16384 } },
      Version: 5,
      Level: 4,
      Task: 1,
      Opcode: 0,
      Keywords: "0x8000000000000000",
      TimeCreated: { "#attributes": { SystemTime: "2020-01-01T00:00:00.000000Z" } },
      EventRecordID: 9007199254740993n,
      Correlation: { "#attributes": { ActivityID: "A", RelatedActivityID: "R" } },
      Execution: { "#attributes": { ProcessID: 3112, ThreadID: 4072 } },
      Channel: "Microsoft-Windows-Sysmon/Operational",
      Computer: "host",
      Security: { "#attributes": { UserID: "S-1-5-18" } },
    },
    EventData: { Image: "C:\\x.exe", Level: "own", Empty: "", Data: { "#text": ["p", "q"] } },
    UserData: { Outer: { "#attributes": { xmlns: "u" }, Inner: { listenerName: "L" } } },
    RenderingInfo: { Message: "rendered" },
  },
};
/** As chainsaw and `--separate-json-attributes` write it. */
const SEPARATED: Value = {
  Event_attributes: { xmlns: "x" },
  Event: {
    System: {
      Provider_attributes: { Name: PROVIDER, Guid: GUID, EventSourceName: "Classic" },
      EventID: 1,
      EventID_attributes: { Qualifiers: 16384 },
      Version: 5,
      Level: 4,
      Task: 1,
      Opcode: 0,
      Keywords: "0x8000000000000000",
      TimeCreated_attributes: { SystemTime: "2020-01-01T00:00:00.000000Z" },
      EventRecordID: 9007199254740993n,
      Correlation: null,
      Correlation_attributes: { ActivityID: "A", RelatedActivityID: "R" },
      Execution_attributes: { ProcessID: 3112, ThreadID: 4072 },
      Channel: "Microsoft-Windows-Sysmon/Operational",
      Computer: "host",
      Security_attributes: { UserID: "S-1-5-18" },
    },
    EventData: { Image: "C:\\x.exe", Level: "own", Empty: "", Data: ["p", "q"] },
    UserData: { Outer_attributes: { xmlns: "u" }, Outer: { Inner: { listenerName: "L" } } },
    RenderingInfo: { Message: "rendered" },
  },
};

const NAMES: Readonly<Record<string, Value | undefined>> = {
  "Event.EventData.Image": "C:\\x.exe",
  "Event.System.Channel": "Microsoft-Windows-Sysmon/Operational",
  "EventID": 1,
  "Qualifiers": 16384,
  "Version": 5,
  "Level": 4,
  "Event.EventData.Level": "own",
  "EventData.Level": "own",
  "Task": 1,
  "Opcode": 0,
  "Keywords": "0x8000000000000000",
  "EventRecordID": 9007199254740993n,
  "Channel": "Microsoft-Windows-Sysmon/Operational",
  "Computer": "host",
  "Provider_Name": PROVIDER,
  "ProviderName": PROVIDER,
  "Provider": PROVIDER,
  "SourceName": "Classic",
  "EventSourceName": "Classic",
  "Provider_Guid": `{${GUID.toLowerCase()}}`,
  "ProviderGuid": `{${GUID.toLowerCase()}}`,
  "TimeCreated": "2020-01-01T00:00:00.000000Z",
  "SystemTime": "2020-01-01T00:00:00.000000Z",
  "TimeCreated_SystemTime": "2020-01-01T00:00:00.000000Z",
  "Execution_ProcessID": 3112,
  "Execution_ThreadID": 4072,
  "ActivityID": "A",
  "RelatedActivityID": "R",
  "UserID": "S-1-5-18",
  "Security_UserID": "S-1-5-18",
  "Image": "C:\\x.exe",
  "Empty": "",
  "listenerName": "L",
  "UserData.Outer.Inner.listenerName": "L",
  "Data": ["p", "q"],
  "Data[0]": "p",
  "Data[-1]": "q",
  "Data[2]": undefined,
  "Message": "rendered",
  "xmlns": undefined,
  "Nothing": undefined,
  "constructor": undefined,
};

for (const [shape, source] of Object.entries({ DUMPED, SEPARATED })) {
  for (const [name, expected] of Object.entries(NAMES)) {
    test(`15.5: ${name} of ${shape.toLowerCase()} JSON`, () => {
      assert.deepEqual(decodeJson(jsonText(source)).get(internField(name)), expected);
    });
  }
}

const WINLOG: Value = {
  "@timestamp": "2020-01-01T00:00:00Z",
  message: "rendered",
  winlog: {
    channel: "Security",
    event_id: "4688",
    computer_name: "host",
    provider_name: "Microsoft-Windows-Security-Auditing",
    provider_guid: `{${GUID}}`,
    record_id: 77,
    version: 2,
    task: "Process Creation",
    opcode: "Info",
    keywords: ["Audit Success"],
    process: { pid: 4, thread: { id: 8 } },
    user: { identifier: "S-1-5-18" },
    activity_id: "{a}",
    event_data: { NewProcessName: "C:\\Windows\\cmd.exe", param1: "p", param2: "q" },
    user_data: { xml_name: "X", listenerName: "L" },
  },
};
const WINLOG_NAMES: Readonly<Record<string, Value | undefined>> = {
  "winlog.event_data.NewProcessName": "C:\\Windows\\cmd.exe",
  "EventID": "4688",
  "Channel": "Security",
  "Computer": "host",
  "Provider_Name": "Microsoft-Windows-Security-Auditing",
  "SourceName": "Microsoft-Windows-Security-Auditing",
  "Provider_Guid": `{${GUID.toLowerCase()}}`,
  "EventRecordID": 77,
  "Version": 2,
  "Task": "Process Creation",
  "Opcode": "Info",
  "Keywords": ["Audit Success"],
  "Execution_ProcessID": 4,
  "Execution_ThreadID": 8,
  "UserID": "S-1-5-18",
  "ActivityID": "{a}",
  "RelatedActivityID": undefined,
  "NewProcessName": "C:\\Windows\\cmd.exe",
  "listenerName": "L",
  "Data": ["p", "q"],
  "Data[1]": "q",
  "Message": "rendered",
  "Image": undefined,
};
for (const [name, expected] of Object.entries(WINLOG_NAMES)) {
  test(`15.5: ${name} of Winlogbeat's JSON`, () => {
    assert.deepEqual(decodeJson(jsonText(WINLOG)).get(internField(name)), expected);
  });
}

test("large user data is gone through once", () => {
  const inner = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, at) => [`n${at}`, { v: at }]),
  );
  const event = decodeJson(jsonText({ Event: { System: {}, UserData: { inner } } }));
  const start = performance.now();
  for (let at = 0; at < 1000; at++) assert.equal(event.get(internField(`missing${at}`)), undefined);
  assert.equal(event.get(internField("v")), 0);
  assert.ok(performance.now() - start < 1000);
});

test("a flat name of the event itself comes before the nested ones", () => {
  const event = decodeJson(jsonText({ ...(DUMPED as object), Image: "own" }));
  assert.equal(event.get(internField("Image")), "own");
});

const CREATION = rulesOf(
  ruleText(
    { sel: "Image|endswith: \\cmd.exe" },
    "sel",
    "logsource: {product: windows, category: process_creation}\n",
  ),
);
const IMAGE = "C:\\Windows\\cmd.exe";
const flat = (channel: string, id: Value, more: Readonly<Record<string, Value>>): Value => ({
  Channel: channel,
  EventID: id,
  ...more,
});

const CREATIONS: readonly (readonly [what: string, event: Value, matches: boolean])[] = [
  [
    "Sysmon 1, flat",
    flat("Microsoft-Windows-Sysmon/Operational", 1, { Image: IMAGE }),
    true,
  ],
  [
    "Sysmon 1, letters and text",
    flat("MICROSOFT-windows-sysmon/OPERATIONAL", "1", { Image: IMAGE }),
    true,
  ],
  ["Sysmon 11", flat("Microsoft-Windows-Sysmon/Operational", 11, { Image: IMAGE }), false],
  ["Security 4688 under its own name", flat("Security", 4688, { NewProcessName: IMAGE }), true],
  ["Security 4688 under the rule's name", flat("Security", 4688, { Image: IMAGE }), true],
  ["Security 4689", flat("Security", 4689, { NewProcessName: IMAGE }), false],
  ["Security without an id", flat("Security", null, { Image: IMAGE }), true],
  ["an unknown channel", flat("Somewhere", 1, { Image: IMAGE }), true],
  ["an unknown channel, known provider", {
    Channel: "Collected",
    Provider_Name: "Microsoft-Windows-Security-Auditing",
    EventID: 4688,
    NewProcessName: IMAGE,
  }, true],
  ["no channel, known provider", {
    SourceName: "Microsoft-Windows-Security-Auditing",
    EventID: 4688,
    NewProcessName: IMAGE,
  }, true],
  ["no channel, known provider, other id", {
    Provider_Name: "Microsoft-Windows-Security-Auditing",
    EventID: 4624,
    NewProcessName: IMAGE,
  }, false],
  ["nothing but the field", { Image: IMAGE }, true],
  ["Winlogbeat", WINLOG, true],
  ["evtx_dump", {
    Event: {
      System: { Channel: "Security", EventID: { "#text": "4688" } },
      EventData: { NewProcessName: IMAGE },
    },
  }, true],
];
for (const [what, event, matches] of CREATIONS) {
  test(`15.6: a process creation rule on ${what}`, () => {
    assert.equal(resultsOf(CREATION, event).length, matches ? 1 : 0);
  });
}

// Channel, event id; rule's service or category; whether the rule is evaluated.
const LOGSOURCES: readonly (readonly [string, number, string, boolean])[] = [
  ["Security", 4624, "service: security", true],
  ["System", 4624, "service: security", false],
  ["Microsoft-Windows-Hyper-V-Worker-Admin", 1, "service: hyper-v-worker", true],
  ["Microsoft-Windows-Kernel-EventTracing/Admin", 2, "service: kernel-event-tracing", true],
  ["PowerShellCore/Operational", 4104, "category: ps_script", true],
  ["Microsoft-Windows-PowerShell/Operational", 4103, "category: ps_module", true],
  ["Microsoft-Windows-PowerShell/Operational", 4103, "category: ps_script", false],
  ["Windows PowerShell", 400, "category: ps_classic_start", true],
  ["Windows PowerShell", 600, "category: ps_classic_provider_start", true],
  ["Windows PowerShell", 800, "category: ps_classic_script", true],
  ["Windows PowerShell", 400, "service: powershell-classic", true],
  ["Windows PowerShell", 400, "service: powershell", false],
  ["Microsoft-ServiceBus-Client/Admin", 1, "service: servicebus-client", true],
  ["Microsoft-ServiceBus-Client/Admin", 1, "service: microsoft-servicebus-client", true],
  ["Microsoft-Windows-DNS-Client/Operational", 3008, "service: dns-client", true],
  ["Microsoft-Windows-DNS Client Events/Operational", 3008, "service: dns-client", true],
  ["Somewhere", 1, "service: anything", true],
  ["Somewhere", 1, "category: file_event", true],
  ...([
    [1, "process_creation"],
    [2, "file_change"],
    [3, "network_connection"],
    [4, "sysmon_status"],
    [16, "sysmon_status"],
    [5, "process_termination"],
    [6, "driver_load"],
    [7, "image_load"],
    [8, "create_remote_thread"],
    [9, "raw_access_thread"],
    [10, "process_access"],
    [11, "file_event"],
    [12, "registry_event"],
    [13, "registry_event"],
    [14, "registry_event"],
    [12, "registry_add"],
    [12, "registry_delete"],
    [13, "registry_set"],
    [14, "registry_rename"],
    [15, "create_stream_hash"],
    [17, "pipe_created"],
    [18, "pipe_created"],
    [19, "wmi_event"],
    [20, "wmi_event"],
    [21, "wmi_event"],
    [22, "dns_query"],
    [23, "file_delete"],
    [24, "clipboard_capture"],
    [24, "clipboard_change"],
    [25, "process_tampering"],
    [26, "file_delete_detected"],
    [27, "file_block_executable"],
    [28, "file_block_shredding"],
    [29, "file_executable_detected"],
    [255, "sysmon_error"],
  ] as const).flatMap(([id, category]) =>
    [true, false].map((own): readonly [string, number, string, boolean] => [
      "Microsoft-Windows-Sysmon/Operational",
      own ? id : 999,
      `category: ${category}`,
      own,
    ])
  ),
];
for (const [channel, id, logsource, evaluated] of LOGSOURCES) {
  test(`15.6: ${channel} ${id} and ${logsource}`, () => {
    const text = ruleText({ sel: "A: 1" }, "sel", `logsource: {${logsource}}\n`);
    assert.equal(resultsOf(rulesOf(text), flat(channel, id, { A: 1 })).length, evaluated ? 1 : 0);
  });
}

test("15.6: Sysmon 12 tells added keys from deleted ones", () => {
  const text = ["registry_add", "registry_delete", "registry_event", "registry_set"]
    .map((category) => ruleText({ sel: "A: 1" }, "sel", `logsource: {category: ${category}}\n`))
    .join("---\n");
  const engine = new RuleEngine(rulesOf(text));
  const naive = new RuleEngine(rulesOf(text), { index: false });
  for (
    const [type, expected] of [
      ["CreateKey", [0, 2]],
      ["DeleteKey", [1, 2]],
      ["DeleteValue", [1, 2]],
      ["Other", [0, 1, 2]],
      [5, [0, 1, 2]],
    ] as const
  ) {
    const event = decodeJson(
      jsonText(flat("Microsoft-Windows-Sysmon/Operational", 12, { A: 1, EventType: type })),
    );
    assert.deepEqual([...engine.match(event)], expected);
    assert.deepEqual([...naive.match(event)], expected);
  }
});
