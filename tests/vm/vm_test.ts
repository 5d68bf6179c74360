/**
 * What takes cgroups of version 2 with controllers, or another kernel than this host's: the scripts of tests/vm. They run on
 * the oldest kernel, and those about what differs between kernels on the others too; a test each, and a machine a release.
 * What takes a real systemd only is in tests/systemd, where it costs a tenth.
 *
 * Words behind `--` choose: a release, or tests by their names, like `bookworm/users_test.sh`.
 */
import assert from "node:assert/strict";
import { type Result, runInMachine, type Script } from "../../scripts/vm/machine.ts";
import { type Release, RELEASES } from "../../scripts/vm/image.ts";
import { machineFiles, machineScripts } from "../../scripts/vm/scripts.ts";

/**
 * Which scripts the newer release runs: what rkt does in another way on its kernel, or what takes modules of it. Seccomp's
 * ABIs, AppArmor, what limits do once they stand in the files of cgroups, and mounts of the host's files are the same in both.
 */
const ON_NEWER = ["network", "unit", "users", "verity"].map((name) => `${name}_test.sh`);

const scriptsOf = (release: Release): readonly Script[] =>
  machineScripts().filter(({ name }) => release === RELEASES[0] || ON_NEWER.includes(name));

const isChosen = (release: Release) => ({ name }: Script): boolean =>
  Deno.args.length === 0 || Deno.args.includes(release) ||
  Deno.args.includes(`${release}/${name}`);

/** A machine that boots when the first of its results is waited for. */
class LazyMachine {
  readonly #release: Release;
  readonly #scripts: readonly Script[];
  readonly #results: ReadonlyMap<string, PromiseWithResolvers<Result>>;
  #running: Promise<void> | undefined;

  constructor(release: Release, scripts: readonly Script[]) {
    this.#release = release;
    this.#scripts = scripts;
    this.#results = new Map(scripts.map(({ name }) => [name, Promise.withResolvers()]));
  }

  async result(name: string): Promise<Result | undefined> {
    this.#running ??= this.#run();
    return await this.#results.get(name)?.promise;
  }

  async #run(): Promise<void> {
    try {
      await using files = await machineFiles();
      await runInMachine(this.#release, files.path, this.#scripts, (name, result) => {
        this.#results.get(name)?.resolve(result);
      });
    } catch (error) {
      const output = error instanceof Error ? error.message : String(error);
      // What has ended keeps its result.
      for (const { resolve } of this.#results.values()) resolve({ code: 255, output, seconds: 0 });
    }
  }

  /** Waits for its end, so that it leaves nothing. */
  async ended(): Promise<void> {
    await this.#running;
  }
}

const names = machineScripts().map(({ name }) => name);
assert.deepEqual(
  ON_NEWER.filter((name) => !names.includes(name)),
  [],
  "there is no such script",
);

/** The last words of a script stand first: they say what was wrong. */
function textOf({ code, output, seconds }: Result): string {
  const last = output.trimEnd().split("\n").at(-1);
  return `it ended with ${code} after ${seconds} s: ${last}\n${output}`;
}

for (const release of RELEASES) {
  const scripts = scriptsOf(release).filter(isChosen(release));
  const machine = new LazyMachine(release, scripts);
  for (const { name } of scripts) {
    Deno.test(`${release}/${name}`, async () => {
      const result = await machine.result(name);
      assert.ok(result !== undefined && result.code === 0, result && textOf(result));
    });
  }
  Deno.test.afterAll(() => machine.ended());
}
