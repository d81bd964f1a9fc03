/** A directory of its own for a test; deleted when disposed of. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TempDirectory implements Disposable {
  readonly directory: string;

  constructor(files: Readonly<Record<string, string>> = {}, parent: string = tmpdir()) {
    this.directory = mkdtempSync(join(parent, "picket-store-"));
    for (const [name, content] of Object.entries(files)) writeFileSync(this.path(name), content);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
