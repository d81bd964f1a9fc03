/**
 * The executable's entry. `--version` is answered before anything else is loaded.
 */
import process from "node:process";
import { VERSION } from "./build_info.ts";

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  console.log(VERSION);
} else {
  const { run } = await import("./program.ts");
  process.exitCode = await run(args);
}
