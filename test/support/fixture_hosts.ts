/**
 * Who and what the fixture events speak of: machines, accounts, processes.
 *
 * Everything that is not given is derived from what is, so the same story makes the same bytes.
 */
import { type EvtxValue, hexInt64, sid, utf16 } from "./evtx_values.ts";

/** A machine and whoever sits at it. */
export interface Host {
  readonly computer: string;
  readonly domain: string;
  readonly address: string;
}

/** An account as events name it. */
export interface Account {
  readonly name: string;
  readonly domain: string;
  readonly sid: string;
  readonly logonId: bigint;
}

/** A process as Sysmon sees it. `pid` and host make its GUID. */
export interface Process {
  readonly pid: number;
  readonly image: string;
  readonly commandLine: string;
  readonly user: Account;
  readonly parent?: Process;
  readonly integrity?: "Low" | "Medium" | "High" | "System";
  readonly directory?: string;
  readonly description?: string;
  readonly company?: string;
  readonly originalName?: string;
}

export const SYSTEM: Account = {
  name: "SYSTEM",
  domain: "NT AUTHORITY",
  sid: "S-1-5-18",
  logonId: 0x3e7n,
};

/** Base64 of UTF-16LE, as `-EncodedCommand` takes it. */
export function encodedCommand(script: string): string {
  return btoa(String.fromCharCode(...utf16(script)));
}

export function accountText(account: Account): string {
  return `${account.domain}\\${account.name}`;
}

/** The four fields that say who did it. */
export function subject(account: Account): Record<string, string | EvtxValue> {
  return {
    SubjectUserSid: sid(account.sid),
    SubjectUserName: account.name,
    SubjectDomainName: account.domain,
    SubjectLogonId: hexInt64(account.logonId),
  };
}
