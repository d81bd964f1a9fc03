/**
 * Where the scan worker's code is. Here and not in `scan/`, because inside the executable all code
 * has one address, next to which the worker stands.
 */
export const SCAN_WORKER_URL: URL = new URL("./scan_worker.ts", import.meta.url);
