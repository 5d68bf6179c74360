/**
 * Debian's containerd with root, state and socket of its own, in namespaces of its own: whatever it starts ends with it. It has rkt
 * and runc below it, an image of busybox, and speaks to a kubelet.
 */
import assert from "node:assert/strict";
import { packImage } from "./engine_archive.ts";
import { type Ended, ended } from "./ended.ts";
import { RKT } from "./rkt.ts";
import { RuntimeWorld } from "./runtime_world.ts";
import { until, within } from "./until.ts";

/** The image that it has. */
export const IMAGE = "localhost/bb:latest";

/** What containerd may have below it. */
export type Below = "rkt" | "runc";
export const BELOW: readonly Below[] = ["rkt", "runc"];

/** Which of containerd's namespaces a runtime's containers of `ctr` have. */
export const spaceOf = (below: Below): string => `rkt-test-${below}`;

/** The answer to a call: the message, or the code of gRPC's and the error. */
export interface Answer {
  readonly code?: number;
  readonly error?: string;
  // deno-lint-ignore no-explicit-any -- messages of many kinds, of which a test knows what it asked for
  readonly reply?: any;
}

const GRPC = new URL("../../testdata/grpc", import.meta.url).pathname;
const CLIENT = new URL("./cri_grpc.ts", import.meta.url).pathname;

/** A containerd that runs. */
export class ContainerdWorld implements AsyncDisposable {
  private constructor(
    readonly files: RuntimeWorld,
    readonly process: Deno.ChildProcess,
    readonly pid: number,
  ) {}

  get dir(): string {
    return this.files.dir;
  }

  static async start(): Promise<ContainerdWorld> {
    const files = await RuntimeWorld.make();
    const { dir } = files;
    Deno.symlinkSync(RKT, `${dir}/rkt-oci`);
    Deno.symlinkSync("/usr/sbin/runc", `${dir}/runc`);
    Deno.writeTextFileSync(`${dir}/containerd.toml`, configuration(dir));
    writeNetwork(`${dir}/net.d`);
    await packImage(`${files.bundle}/rootfs`, `${dir}/image.tar`, IMAGE, {
      Cmd: ["/bin/sleep", "1000"],
      Env: ["PATH=/bin"],
    });
    const process = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"],
        ...["--propagation", "private", "sh", "-c"],
        // Sockets of shims and descriptions of networks are there whatever the configuration says.
        `ip link set lo up && mkdir -p /run/containerd /run/netns /var/lib/cni && mount -t tmpfs tmpfs /run/containerd &&
        mount -t tmpfs tmpfs /run/netns && mount -t tmpfs tmpfs /var/lib/cni && exec containerd -c ${dir}/containerd.toml 2>${dir}/log`,
      ],
      stdin: "null",
      stdout: "null",
    }).spawn();
    const children = `/proc/${process.pid}/task/${process.pid}/children`;
    await until(() => Deno.readTextFileSync(children).trim() !== "", 60, "containerd's process");
    const pid = Number(Deno.readTextFileSync(children).trim());
    const world = new ContainerdWorld(files, process, pid);
    await until(async () => (await world.ctr("version")).code === 0, 60, "containerd to answer");
    for (const name of [...BELOW.map(spaceOf), "k8s.io"]) {
      const { code, stderr } = await world.ctr("-n", name, "image", "import", `${dir}/image.tar`);
      assert.equal(code, 0, stderr);
    }
    return world;
  }

  /** The path of a runtime. */
  program(below: Below): string {
    return `${this.dir}/${below === "rkt" ? "rkt-oci" : below}`;
  }

  /** Runs something in containerd's namespaces. */
  inside(program: string, args: readonly string[], stdin?: string): Promise<Ended> {
    return ended("nsenter", ["-t", `${this.pid}`, "-m", "-p", "-n", program, ...args], stdin);
  }

  /** Runs `ctr`. */
  ctr(...words: readonly string[]): Promise<Ended> {
    const { dir } = this;
    return this.inside("timeout", ["60", "ctr", "-a", `${dir}/containerd.sock`, ...words]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGTERM");
    // With the first process of its PID namespace all others end.
    Deno.kill(this.pid, "SIGKILL");
    await this.process.status;
    // containerd removes the cgroups of containers, but not those above them.
    await ended("sh", ["-c", "rmdir /sys/fs/cgroup/*/rkt-test-r* /sys/fs/cgroup/*/k8s.io"]);
    await this.files[Symbol.asyncDispose]();
  }
}

/** containerd's configuration, as docs/use/oci-runtime.md has it, and a place of its own for everything. */
function configuration(dir: string): string {
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  const runtime = (name: string, program: string) => `
[${cri}.containerd.runtimes.${name}]
  runtime_type = "io.containerd.runc.v2"
  [${cri}.containerd.runtimes.${name}.options]
    BinaryName = "${program}"
`;
  return `version = 2
root = "${dir}/containerd"
state = "${dir}/containerd-state"
[grpc]
  address = "${dir}/containerd.sock"
[${cri}]
  sandbox_image = "${IMAGE}"
  restrict_oom_score_adj = true
  [${cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/net.d"
${runtime("rkt", `${dir}/rkt-oci`)}${runtime("runc", `${dir}/runc`)}`;
}

function writeNetwork(directory: string): void {
  Deno.mkdirSync(directory);
  const network = {
    cniVersion: "0.4.0",
    name: "test",
    plugins: [{
      type: "ptp",
      ipam: { type: "host-local", ranges: [[{ subnet: "10.88.77.0/24" }]] },
    }],
  };
  Deno.writeTextFileSync(`${directory}/10-test.conflist`, JSON.stringify(network));
}

/** A client of the Container Runtime Interface; it makes one call after the other. */
export class Kubelet implements AsyncDisposable {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(readonly client: Deno.ChildProcess) {
    this.#writer = client.stdin.getWriter();
    this.#reader = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start({ dir, pid }: ContainerdWorld): Promise<Kubelet> {
    const client = new Deno.Command("nsenter", {
      args: [
        ...["-t", `${pid}`, "-m", "-p", "-n", Deno.execPath(), "run", "-A", "--frozen"],
        ...[`--config=${GRPC}/deno.json`, `--lock=${GRPC}/deno.lock`],
        ...[CLIENT, `${dir}/containerd.sock`],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const kubelet = new Kubelet(client);
    const hasImage = async () =>
      (await kubelet.call("ImageStatus", { image: { image: IMAGE } })).reply?.image?.id !==
        undefined;
    await until(hasImage, 60, "the kubelet's image");
    return kubelet;
  }

  /** Makes a call. */
  call(call: string, request: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#ask({ call, request });
  }

  /** Makes a call that has to succeed; its message. */
  async must(call: string, request: Readonly<Record<string, unknown>>): Promise<Answer["reply"]> {
    const { reply, error } = await this.call(call, request);
    assert.equal(error, undefined, `${call}: ${error}`);
    return reply;
  }

  /**
   * A session at the address that `Exec` or `Attach` gave: what it said, by its channels.
   *
   * @param last follows the input, which is sent again and again until the session has said something
   */
  stream(url: string, input?: string, last?: string): Promise<Answer> {
    return this.#ask({ stream: url, input, last });
  }

  async #ask(asked: unknown): Promise<Answer> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(asked)}\n`));
    while (!this.#rest.includes("\n")) {
      const { value, done } = await within(this.#reader.read(), 120, "an answer of containerd");
      assert.ok(!done, "the client has ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.client.status;
  }
}
