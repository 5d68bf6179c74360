/** A TPM 2.0 in software: swtpm(8). */
import { until } from "./until.ts";
import type { World } from "./pod_world.ts";
import { exists } from "../../src/linux/exists.ts";

/** How tpm2-tools are told which TPM to use (tpm2-tools, "TCTI configuration"). */
const VARIABLE = "TPM2TOOLS_TCTI";

/** A TPM of a test's own. */
export class Tpm implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #socket: string;

  private constructor(child: Deno.ChildProcess, socket: string) {
    this.#child = child;
    this.#socket = socket;
  }

  /** Starts one that has just been made, and returns when it listens. */
  static async start(world: World): Promise<Tpm> {
    const dir = `${world.dir}/tpm`;
    Deno.mkdirSync(dir);
    const socket = `${dir}/socket`;
    const child = new Deno.Command("swtpm", {
      args: [
        "socket",
        "--tpm2",
        "--tpmstate",
        `dir=${dir}`,
        "--flags",
        "not-need-init,startup-clear",
      ]
        .concat(["--server", `type=unixio,path=${socket}`])
        .concat(["--ctrl", `type=unixio,path=${socket}.ctrl`]),
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    const tpm = new Tpm(child, socket);
    await until(() => exists(socket), 60, "the TPM");
    return tpm;
  }

  /** Has it be the TPM of all that is started meanwhile. */
  async reachable(act: () => Promise<void>): Promise<void> {
    Deno.env.set(VARIABLE, `swtpm:path=${this.#socket}`);
    try {
      await act();
    } finally {
      Deno.env.delete(VARIABLE);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill();
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }
}
