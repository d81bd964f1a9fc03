/**
 * The thread that Windows' service dispatcher holds until the service has stopped.
 */
import { parentPort } from "node:worker_threads";
import {
  type DispatcherStart,
  runServiceDispatcher,
} from "../src/agent/service/windows_service.ts";

const port = parentPort;
port?.once("message", (start: DispatcherStart) => {
  port.postMessage(runServiceDispatcher(start));
  port.close();
});
