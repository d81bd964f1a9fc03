/**
 * A thread of a scan: reads the rules from shared memory and scans the parts it is given.
 */
import { parentPort } from "node:worker_threads";
import { sharedRules } from "../src/engine/rule_store.ts";
import { OutputError } from "./io.ts";
import { ScanSession } from "./scan/session.ts";
import type { FromWorker, ToWorker } from "./scan/types.ts";

const port = parentPort;
if (port !== null) {
  let session: ScanSession | undefined;
  const stop = new AbortController();
  const send = (message: FromWorker): void => port.postMessage(message);
  const handle = async (message: ToWorker): Promise<void> => {
    switch (message.type) {
      case "start":
        session = await ScanSession.open(sharedRules(message.rules), message.settings, send);
        send({ type: "ready" });
        break;
      case "unit": {
        const lines = await session!.scan(message.unit, stop.signal);
        send({ type: "done", unit: message.unit.number, lines });
        break;
      }
      case "stop":
        stop.abort();
        break;
      case "finish":
        send(session!.finish());
        port.close();
        break;
    }
  };
  port.on("message", (message: ToWorker) => {
    handle(message).catch((error: unknown) => {
      send({
        type: "failed",
        message: error instanceof OutputError
          ? error.message
          : error instanceof Error
          ? error.stack ?? error.message
          : String(error),
        output: error instanceof OutputError,
      });
    });
  });
}
