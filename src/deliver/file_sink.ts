/**
 * A file as a sink: one line an alert, rotated by size and age.
 *
 * **Whole lines.** The lines of a call go out in one append. If it fails in the middle (disk full),
 * the file is cut back to where it was, so nobody reads half a line. What a crash left half written
 * is cut off when the file is opened.
 *
 * **No repeats.** After a crash `reconcile` reads the lines behind the position that was recorded
 * last, in rotated and compressed files too, and finds what had arrived.
 *
 * **Durable.** With `fsync: always` (the default) an alert counts as delivered when it is on the disk,
 * `interval` makes that a second later, `none` leaves it to the system.
 *
 * A new file has mode 0600, since alerts quote what users type; a rotated file's successor inherits
 * mode and owner, so what an operator grants stays granted. A file that somebody else renamed or
 * removed is made anew before the next alert.
 */
import { Buffer } from "node:buffer";
import { type FileHandle, mkdir, open, stat, truncate } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import type { Alert } from "../runtime/alert.ts";
import { DeliveryError } from "../runtime/errors.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { FileSinkSettings } from "../runtime/settings.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Exclusive } from "./exclusive.ts";
import {
  alertsBehind,
  decodePosition,
  encodePosition,
  fileId,
  HEAD_BYTES,
  headHash,
} from "./file_position.ts";
import { renameRotated, syncDirectory, tidyRotated } from "./file_rotation.ts";
import { repairTail } from "./file_tail.ts";
import { asDeliveryError, systemCode } from "./fs_failure.ts";

const log = getLogger(["picket", "deliver", "file"]);

export const ROTATE_BYTES = 100 << 20;
export const ROTATE_AGE_MS = 86_400_000;
export const ROTATE_KEEP = 7;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o750;
/** The loss window of `fsync: interval` in a power cut. */
const FSYNC_INTERVAL_MS = 1000;
/** After a rotation failed the file grows on for so long before the next attempt. */
const ROTATE_RETRY_MS = 60_000;

interface OpenFile {
  readonly handle: FileHandle;
  readonly id: string;
  readonly bornMs: number;
  /** End of the last whole line. */
  offset: number;
  /** The first bytes, up to `HEAD_BYTES`. */
  head: Buffer;
}

/** Access rights that a new file takes over. */
interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class FileSink implements Sink {
  readonly id: string;
  readonly kind = "file";
  readonly #path: string;
  readonly #rotateBytes: number;
  readonly #rotateAgeMs: number;
  readonly #rotated: { readonly keep: number; readonly gzip: boolean };
  readonly #fsync: "always" | "interval" | "none";
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #exclusive = new Exclusive();
  readonly #closing = new AbortController();
  #file: OpenFile | undefined;
  #position: string | undefined;
  #reopen = false;
  #noRotationBeforeMs = 0;
  #tidied: Promise<void> | undefined;
  #tidyAgain = true;
  #syncTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: FileSinkSettings, clock: Pick<Clock, "nowMs"> = systemClock) {
    this.id = settings.id;
    this.#path = resolve(settings.path);
    this.#rotateBytes = settings.rotateBytes ?? ROTATE_BYTES;
    this.#rotateAgeMs = settings.rotateAgeMs ?? ROTATE_AGE_MS;
    this.#rotated = {
      keep: settings.rotateKeep ?? ROTATE_KEEP,
      gzip: settings.rotateGzip ?? true,
    };
    this.#fsync = settings.fsync ?? "always";
    this.#clock = clock;
  }

  send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    return this.#exclusive.run(async () => {
      const outcomes = await this.#write(alerts);
      this.#tidy();
      return outcomes;
    }, signal);
  }

  peerPosition(): string | undefined {
    if (this.#file !== undefined) {
      const { offset, id, head } = this.#file;
      this.#position = encodePosition({ offset, file: id, head: headHash(head, offset) });
    }
    return this.#position;
  }

  reconcile(
    alerts: readonly Alert[],
    peerPosition: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    return this.#exclusive.run(async () => {
      // Half a line at the end is not one to be found.
      await this.#current();
      await this.#tidied;
      return await alertsBehind(this.#path, decodePosition(peerPosition), alerts, signal);
    }, signal);
  }

  reopen(): void {
    this.#reopen = true;
  }

  probe(signal: AbortSignal): Promise<void> {
    return this.#exclusive.run(async () => {
      await this.#current();
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#syncTimer);
    await this.#exclusive.run(async () => {
      await this.#tidied;
      if (this.#fsync === "interval") await this.#file?.handle.datasync().catch(() => {});
      await this.#close();
    });
  }

  async #write(alerts: readonly Alert[]): Promise<readonly (DeliveryError | undefined)[]> {
    const lines = alerts.map(({ body }) => Buffer.from(`${body}\n`, "utf8"));
    const outcomes: (DeliveryError | undefined)[] = [];
    while (outcomes.length < lines.length) {
      const file = await this.#rotatedIfDue(await this.#current(), lines[outcomes.length]!.length);
      const chunk = this.#fitting(file, lines.slice(outcomes.length));
      const error = await this.#append(file, Buffer.concat(chunk));
      if (error !== undefined) {
        // The lines behind would meet the same.
        return [...outcomes, ...lines.slice(outcomes.length).map(() => error)];
      }
      outcomes.push(...chunk.map(() => undefined));
    }
    return outcomes;
  }

  /** The lines that go into this file before it is full, at least one. */
  #fitting(file: OpenFile, lines: readonly Buffer[]): readonly Buffer[] {
    if (this.#rotateBytes <= 0 || this.#clock.nowMs() < this.#noRotationBeforeMs) return lines;
    let bytes = file.offset;
    const end = lines.findIndex((line, at) => (bytes += line.length) > this.#rotateBytes && at > 0);
    return end < 0 ? lines : lines.slice(0, end);
  }

  /** @returns Why nothing was appended. @throws {DeliveryError} Lines may have been appended. */
  async #append(file: OpenFile, bytes: Buffer): Promise<DeliveryError | undefined> {
    let written = 0;
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await file.handle.write(bytes, written, bytes.length - written);
        written += bytesWritten;
      }
      if (this.#fsync === "always") await file.handle.datasync();
    } catch (error) {
      const failure = asDeliveryError(`append to ${this.#path}`, error);
      if (await this.#cutBack(file, bytes)) return failure;
      // The next opening cuts off what is torn, and `reconcile` finds what is whole.
      await this.#close();
      throw failure;
    }
    if (file.head.length < HEAD_BYTES) {
      file.head = Buffer.concat([file.head, bytes.subarray(0, HEAD_BYTES - file.head.length)]);
    }
    file.offset += bytes.length;
    if (this.#fsync === "interval") this.#syncLater();
    return undefined;
  }

  /** Takes back what there is of `bytes`, unless others have appended to the file as well. */
  async #cutBack(file: OpenFile, bytes: Buffer): Promise<boolean> {
    try {
      // Not every runtime says how much it wrote before it failed.
      const { size } = await file.handle.stat();
      const tail = Buffer.alloc(Math.min(size - file.offset, bytes.length));
      const { bytesRead } = await file.handle.read(tail, 0, tail.length, file.offset);
      const ours = size === file.offset + bytesRead && tail.equals(bytes.subarray(0, bytesRead));
      if (ours && bytesRead > 0) await cut(file.handle, this.#path, file.offset);
      return ours;
    } catch {
      return false;
    }
  }

  /** The file to append to: the open one if its path still leads to it, else a new one. */
  async #current(): Promise<OpenFile> {
    try {
      const file = this.#file;
      if (file === undefined) return await this.#open();
      const there = await stat(this.#path, { bigint: true }).catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return undefined;
        throw error;
      });
      const same = !this.#reopen && there !== undefined && fileId(there) === file.id &&
        Number(there.size) >= file.offset;
      if (!same) {
        await this.#close();
        return await this.#open();
      }
      // Others may append to the file, too.
      file.offset = Number(there.size);
      return file;
    } catch (error) {
      throw asDeliveryError(`open ${this.#path}`, error);
    }
  }

  async #open(owner?: Ownership): Promise<OpenFile> {
    this.#reopen = false;
    await mkdir(dirname(this.#path), { recursive: true, mode: DIRECTORY_MODE });
    const before = await stat(this.#path).catch(() => undefined);
    // Opening a pipe nobody reads would wait for ever, a device would never be full.
    if (before !== undefined && !before.isFile()) {
      throw new DeliveryError("config", `Cannot open ${this.#path}: it is not a regular file`);
    }
    const handle = await open(this.#path, "a+", FILE_MODE);
    try {
      if (before === undefined) {
        if (owner !== undefined) await inherit(handle, owner);
        if (this.#fsync !== "none") await syncDirectory(this.#path);
      }
      const offset = await repairTail(handle, (length) => cut(handle, this.#path, length));
      const info = await handle.stat({ bigint: true });
      const head = Buffer.alloc(Math.min(offset, HEAD_BYTES));
      await handle.read(head, 0, head.length, 0);
      const bornMs = Number(info.birthtimeMs) || this.#clock.nowMs();
      this.#file = { handle, id: fileId(info), bornMs, offset, head };
      return this.#file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.peerPosition();
    this.#file = undefined;
    await file.handle.close().catch(() => {});
  }

  async #rotatedIfDue(file: OpenFile, nextBytes: number): Promise<OpenFile> {
    const nowMs = this.#clock.nowMs();
    const full = this.#rotateBytes > 0 && file.offset + nextBytes > this.#rotateBytes;
    const old = this.#rotateAgeMs > 0 && nowMs - file.bornMs >= this.#rotateAgeMs;
    if (file.offset === 0 || !(full || old) || nowMs < this.#noRotationBeforeMs) return file;
    let owner: Ownership | undefined;
    try {
      owner = await file.handle.stat();
      if (this.#fsync !== "none") await file.handle.datasync();
      // Windows renames no file that is open.
      await this.#close();
      await renameRotated(this.#path);
      this.#tidyAgain = true;
    } catch (error) {
      // A file that grows too large is better than an alert that waits.
      this.#noRotationBeforeMs = nowMs + ROTATE_RETRY_MS;
      log.warn("Cannot rotate {path}: {error}", { path: this.#path, error: String(error) });
    }
    try {
      return this.#file ?? await this.#open(owner);
    } catch (error) {
      throw asDeliveryError(`open ${this.#path}`, error);
    }
  }

  /** Compresses and removes rotated files beside the delivery. */
  #tidy(): void {
    if (!this.#tidyAgain || this.#tidied !== undefined || this.#closing.signal.aborted) return;
    this.#tidyAgain = false;
    this.#tidied = tidyRotated(this.#path, this.#rotated, this.#closing.signal)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        log.warn("Cannot tidy up {path}: {error}", { path: this.#path, error: String(error) });
      })
      .finally(() => {
        this.#tidied = undefined;
        this.#tidy();
      });
  }

  #syncLater(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      void this.#exclusive.run(async () => {
        await this.#file?.handle.datasync();
      }).catch((error: unknown) => {
        log.error("Cannot sync {path}: {error}", { path: this.#path, error: String(error) });
      });
    }, FSYNC_INTERVAL_MS);
  }
}

async function cut(handle: FileHandle, path: string, length: number): Promise<void> {
  // A Windows handle that appends may do nothing else.
  if (process.platform === "win32") await truncate(path, length);
  else await handle.truncate(length);
}

async function inherit(handle: FileHandle, { mode, uid, gid }: Ownership): Promise<void> {
  if (process.platform === "win32") return;
  await handle.chmod(mode & 0o777);
  // Only root may give files away; for others the file is their own anyway.
  await handle.chown(uid, gid).catch(() => {});
}
