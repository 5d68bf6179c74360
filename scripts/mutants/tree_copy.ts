/** Copies of the tree, in which faults are planted. */
import { dirname } from "node:path/posix";
import { exists, ifThere } from "../../src/linux/exists.ts";
import { ROOT } from "../test/run_deno.ts";

/** The files of the repository, those included that are not committed yet. */
async function files(): Promise<readonly string[]> {
  const { success, stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("git ls-files failed");
  return new TextDecoder().decode(stdout).split("\0").filter((path) => path !== "");
}

/** A copy of the tree as it is, with a directory for what tests make. */
export class TreeCopy {
  readonly root: string;
  /** Where tests make their temporary files. */
  readonly temporary: string;
  /** A program that is rkt from these sources. */
  readonly fromSources: string;
  /** The program that is built of these sources, where it was. */
  readonly program: string;

  private constructor(directory: string) {
    this.root = `${directory}/tree`;
    this.temporary = `${directory}/t`;
    this.fromSources = `${directory}/rkt`;
    this.program = `${this.root}/dist/rkt`;
  }

  /** @param directory where the copy is made; it is not there yet */
  static async make(directory: string): Promise<TreeCopy> {
    const copy = new TreeCopy(directory);
    Deno.mkdirSync(copy.temporary, { recursive: true });
    const deno = `${Deno.execPath()} run --allow-all --no-check --quiet`;
    Deno.writeTextFileSync(
      copy.fromSources,
      `#!/bin/sh\nexec ${deno} ${copy.root}/main.ts "$@"\n`,
      { mode: 0o755 },
    );
    for (const path of await files()) {
      // A file that is deleted and not committed is listed still.
      const { isFile } = Deno.lstatSync(`${ROOT}${path}`);
      Deno.mkdirSync(dirname(`${copy.root}/${path}`), { recursive: true });
      if (isFile) Deno.copyFileSync(`${ROOT}${path}`, `${copy.root}/${path}`);
    }
    return copy;
  }

  /** Whether the program was built of the tree as it is. */
  isBuilt(): boolean {
    return exists(this.program);
  }

  /** Does something while a file has another text. */
  async changed<T>(
    path: string,
    change: (text: string) => string,
    run: () => Promise<T>,
  ): Promise<T> {
    const file = `${this.root}/${path}`;
    const text = Deno.readTextFileSync(file);
    const write = (content: string) => {
      Deno.writeTextFileSync(file, content);
      ifThere(() => Deno.removeSync(this.program));
    };
    write(change(text));
    try {
      return await run();
    } finally {
      write(text);
    }
  }
}
