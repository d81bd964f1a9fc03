/**
 * The protocol between Windows' service manager and a service, spoken through advapi32.
 *
 * `StartServiceCtrlDispatcherW` holds its thread until the service has stopped, so a worker calls
 * it (`runServiceDispatcher`). Everything else happens on the main thread: the two functions that
 * Windows calls on threads of its own only queue a call there.
 */
import process from "node:process";
import { bunFfi, type FfiSignature, type Pointer } from "./bun_ffi.ts";
import { ServiceError } from "./errors.ts";

/** What the service manager asks for. */
export type ServiceControl = "stop" | "reload";

/** How a service ended: an exit code of Picket's own, and why. */
export interface ServiceOutcome {
  readonly code: number;
}

/** A service between its start and its end. */
export interface ServiceSession {
  /** Aborts when Windows wants the service to stop or is shutting down. */
  readonly stop: AbortSignal;
  /** Called for each request to read the configuration again. */
  onReload(listener: () => void): void;
  /** Tells Windows that the start is done. */
  running(): void;
  /** Tells Windows that the service is ending; the manager is kept patient until it has. */
  stopping(): void;
}

export interface ServiceOptions {
  readonly name: string;
  /** Starts the thread that calls `runServiceDispatcher`, and gives what that returned. */
  readonly dispatch: (start: DispatcherStart) => Promise<number>;
  /** The service's work; gives its exit code. */
  readonly main: (session: ServiceSession) => Promise<number>;
}

/** What the dispatcher's thread needs; can be posted to a worker. */
export interface DispatcherStart {
  readonly name: string;
  readonly serviceMain: Pointer;
}

const OWN_PROCESS = 0x10;
const STOPPED = 1;
const START_PENDING = 2;
const STOP_PENDING = 3;
const RUNNING = 4;
type State = typeof STOPPED | typeof START_PENDING | typeof STOP_PENDING | typeof RUNNING;

/** STOP, SHUTDOWN, PARAMCHANGE, PRESHUTDOWN. */
const ACCEPTED = 0x1 | 0x4 | 0x8 | 0x100;
const CONTROLS: Readonly<Record<number, ServiceControl>> = {
  1: "stop", // STOP
  5: "stop", // SHUTDOWN
  15: "stop", // PRESHUTDOWN
  6: "reload", // PARAMCHANGE
  128: "reload", // the first of our own codes
};

const ERROR_SERVICE_SPECIFIC_ERROR = 1066;
const ERROR_FAILED_SERVICE_CONTROLLER_CONNECT = 1063;

/** How often a pending state is renewed, and how long Windows waits for the next renewal. */
const RENEW_MS = 1000;
const WAIT_HINT_MS = 30_000;

const ADVAPI: Readonly<Record<string, FfiSignature>> = {
  RegisterServiceCtrlHandlerExW: { args: ["ptr", "ptr", "ptr"], returns: "ptr" },
  SetServiceStatus: { args: ["ptr", "ptr"], returns: "i32" },
};

/**
 * Runs this process as the service `name`.
 *
 * Resolves when the service has stopped; Windows has been told `main`'s exit code by then.
 *
 * @throws {ServiceError} `SERVICE_UNSUPPORTED` without Bun on Windows, `SERVICE_NOT_STARTED` if it
 *   was not the service manager that started this process.
 */
export async function runWindowsService(options: ServiceOptions): Promise<number> {
  const ffi = bunFfi();
  if (ffi === undefined || process.platform !== "win32") {
    throw new ServiceError(
      "SERVICE_UNSUPPORTED",
      "Cannot run as a Windows service: this needs Windows, and Bun; elsewhere use `picket run`",
    );
  }
  const advapi = ffi.dlopen("advapi32.dll", ADVAPI);
  const name = wide(options.name);
  const ended = Promise.withResolvers<number>();
  const session = new Session((words) => {
    advapi.symbols["SetServiceStatus"]!(handle, words);
  });
  let handle: Pointer = 0;
  const handler = new ffi.JSCallback((control) => session.control(control), {
    args: ["u32", "u32", "ptr", "ptr"],
    returns: "void",
    threadsafe: true,
  });
  const answered = answeringZero(handler.ptr);
  const serviceMain = new ffi.JSCallback(
    () => {
      handle = advapi.symbols["RegisterServiceCtrlHandlerExW"]!(name, answered, null);
      session.begin();
      options.main(session).then(
        (code) => {
          session.end(code);
          ended.resolve(code);
        },
        (error: unknown) => {
          session.end(1);
          ended.reject(error);
        },
      );
    },
    { args: ["u32", "ptr"], returns: "void", threadsafe: true },
  );
  const dispatched = options.dispatch({ name: options.name, serviceMain: serviceMain.ptr });
  const failed = dispatched.then((code) => {
    if (code === 0) return ended.promise;
    throw code === ERROR_FAILED_SERVICE_CONTROLLER_CONNECT
      ? new ServiceError(
        "SERVICE_NOT_STARTED",
        "Only the service manager can start this: use `picket service start`, or `picket run` " +
          "for the foreground",
      )
      : new ServiceError("SERVICE_NOT_STARTED", `Cannot run as a service: Windows error ${code}`);
  });
  // The callbacks stay: a thread of Windows may still be inside one.
  return await Promise.race([ended.promise, failed]);
}

/**
 * Calls `StartServiceCtrlDispatcherW`; comes back when the service has stopped.
 *
 * @returns 0 or the Windows error.
 */
export function runServiceDispatcher({ name, serviceMain }: DispatcherStart): number {
  const ffi = bunFfi();
  if (ffi === undefined) return ERROR_FAILED_SERVICE_CONTROLLER_CONNECT;
  const { symbols } = ffi.dlopen("advapi32.dll", {
    StartServiceCtrlDispatcherW: { args: ["ptr"], returns: "i32" },
  });
  const { symbols: kernel } = ffi.dlopen("kernel32.dll", {
    GetLastError: { args: [], returns: "u32" },
  });
  const serviceName = wide(name);
  // Name and function of our service, then a pair of nulls.
  const table = new BigUint64Array([BigInt(ffi.ptr(serviceName)), BigInt(serviceMain), 0n, 0n]);
  if (symbols["StartServiceCtrlDispatcherW"]!(table) !== 0) return 0;
  return kernel["GetLastError"]!() || ERROR_FAILED_SERVICE_CONTROLLER_CONNECT;
}

/** A text as Windows takes it: UTF-16 with a zero behind it. */
export function wide(text: string): Uint16Array {
  const units = new Uint16Array(text.length + 1);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return units;
}

/** Keeps account of the service's state and tells Windows. */
class Session implements ServiceSession {
  readonly #send: (words: Uint32Array) => void;
  readonly #stop = new AbortController();
  readonly #reloads: (() => void)[] = [];
  #reloadMissed = false;
  #state: State = START_PENDING;
  #checkpoint = 0;
  #renewal: ReturnType<typeof setInterval> | undefined;

  constructor(send: (words: Uint32Array) => void) {
    this.#send = send;
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  onReload(listener: () => void): void {
    this.#reloads.push(listener);
    if (this.#reloadMissed) listener();
    this.#reloadMissed = false;
  }

  begin(): void {
    this.#pending(START_PENDING);
  }

  running(): void {
    if (this.#state !== START_PENDING) return;
    this.#settled(RUNNING, 0);
  }

  stopping(): void {
    if (this.#state === STOP_PENDING) return;
    this.#pending(STOP_PENDING);
  }

  end(code: number): void {
    this.#settled(STOPPED, code);
  }

  control(code: number): void {
    switch (CONTROLS[code]) {
      case "stop":
        this.stopping();
        this.#stop.abort(new DOMException("The service is to stop", "AbortError"));
        break;
      case "reload":
        if (this.#reloads.length === 0) this.#reloadMissed = true;
        for (const listener of this.#reloads) listener();
        break;
      case undefined: // INTERROGATE and what we do not know: Windows has our last status.
        break;
    }
  }

  /** A state that lasts: Windows gives up on it unless it hears of progress. */
  #pending(state: State): void {
    clearInterval(this.#renewal);
    this.#state = state;
    this.#checkpoint = 0;
    const renew = (): void => this.#report(0, ++this.#checkpoint, WAIT_HINT_MS);
    renew();
    this.#renewal = setInterval(renew, RENEW_MS);
  }

  #settled(state: State, code: number): void {
    clearInterval(this.#renewal);
    this.#state = state;
    this.#report(code, 0, 0);
  }

  /** @see SERVICE_STATUS of winsvc.h: seven DWORDs. */
  #report(code: number, checkpoint: number, waitHintMs: number): void {
    this.#send(
      new Uint32Array([
        OWN_PROCESS,
        this.#state,
        this.#state === RUNNING ? ACCEPTED : 0,
        code === 0 ? 0 : ERROR_SERVICE_SPECIFIC_ERROR,
        code,
        checkpoint,
        waitHintMs,
      ]),
    );
  }
}

/**
 * A native function that calls `target` and returns 0 (NO_ERROR).
 *
 * A callback that any thread may call gives no result, so its caller would find in RAX what
 * happened to be there, and `ControlService` would fail with it.
 */
function answeringZero(target: Pointer): Pointer {
  const ffi = bunFfi()!;
  const { symbols } = ffi.dlopen("kernel32.dll", {
    VirtualAlloc: { args: ["ptr", "u64", "u32", "u32"], returns: "ptr" },
    VirtualProtect: { args: ["ptr", "u64", "u32", "ptr"], returns: "i32" },
  });
  const address = new Uint8Array(new BigUint64Array([BigInt(target)]).buffer);
  // x64: sub rsp,40; mov rax,target; call rax; add rsp,40; xor eax,eax; ret
  const code = [0x48, 0x83, 0xec, 0x28, 0x48, 0xb8, ...address, 0xff, 0xd0]
    .concat([0x48, 0x83, 0xc4, 0x28, 0x31, 0xc0, 0xc3]);
  const place = symbols["VirtualAlloc"]!(null, PAGE_BYTES, MEM_COMMIT_RESERVE, PAGE_READWRITE);
  if (place === 0) throw new ServiceError("SERVICE_UNSUPPORTED", "Cannot allocate a page of code");
  new Uint8Array(ffi.toArrayBuffer(place, 0, PAGE_BYTES)).set(code);
  symbols["VirtualProtect"]!(place, PAGE_BYTES, PAGE_EXECUTE_READ, new Uint32Array(1));
  return place;
}

const PAGE_BYTES = 4096;
const MEM_COMMIT_RESERVE = 0x3000;
const PAGE_READWRITE = 0x4;
const PAGE_EXECUTE_READ = 0x20;
