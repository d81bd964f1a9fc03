/**
 * Where the code of threads is. Here and not in `scan/`, because inside the executable all code
 * has one address, next to which the workers stand.
 */
export const SCAN_WORKER_URL: URL = new URL("./scan_worker.ts", import.meta.url);
export const RULES_WORKER_URL: URL = new URL("./rules_worker.ts", import.meta.url);
export const SERVICE_WORKER_URL: URL = new URL("./service_worker.ts", import.meta.url);
