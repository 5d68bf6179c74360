/** What a kubelet does with a pod through the Container Runtime Interface, and what it gets to see. */
import type { Answer, Below, ContainerdWorld, Kubelet } from "../world/containerd_world.ts";
import { IMAGE } from "../world/containerd_world.ts";
import { until } from "../world/until.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What the container's program says of itself. */
const LOOKS =
  `hostname; id; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; cat /proc/sys/net/ipv4/ip_unprivileged_port_start
head -c 1 /proc/keys | wc -c; touch /x 2>/dev/null; echo $?; cat /etc/resolv.conf; ls /dev`;

/** Which kinds of containers a pod gets: their part of `LinuxContainerConfig.security_context`, and what is asked of them. */
const KINDS: Readonly<Record<string, Fields>> = {
  default: {},
  user: {
    run_as_user: { value: 1000 },
    run_as_group: { value: 1001 },
    supplemental_groups: [77, 78],
    no_new_privs: true,
  },
  name: { run_as_username: "me" },
  privileged: { privileged: true },
  readonly: {
    readonly_rootfs: true,
    capabilities: { add_capabilities: ["NET_ADMIN"], drop_capabilities: ["MKNOD"] },
  },
  bare: { capabilities: { drop_capabilities: ["ALL"] }, seccomp: { profile_type: "Unconfined" } },
  masked: { masked_paths: ["/proc/keys"], readonly_paths: ["/proc/sys"] },
};

/** The sequence of one pod. */
class Sequence {
  readonly seen: Record<string, unknown> = {};
  readonly sandbox: Fields;
  #sandbox = "";

  constructor(
    readonly world: ContainerdWorld,
    readonly kubelet: Kubelet,
    readonly below: Below,
    name: string,
    more: Fields,
  ) {
    const logs = `${world.dir}/logs-${below}-${name}`;
    this.sandbox = {
      metadata: { name, uid: `${below}-${name}`, namespace: "default", attempt: 0 },
      log_directory: logs,
      dns_config: { servers: ["192.0.2.1"], searches: ["cluster.local"] },
      ...more,
    };
  }

  async begin(): Promise<void> {
    const request = { config: this.sandbox, runtime_handler: this.below };
    this.#sandbox = (await this.kubelet.must("RunPodSandbox", request)).pod_sandbox_id;
  }

  async container(name: string, command: readonly string[], more: Fields = {}): Promise<string> {
    const config = {
      metadata: { name, attempt: 0 },
      image: { image: IMAGE },
      command,
      log_path: `${name}.log`,
      ...more,
    };
    const reply = await this.kubelet.must("CreateContainer", {
      pod_sandbox_id: this.#sandbox,
      config,
      sandbox_config: this.sandbox,
    });
    return reply.container_id;
  }

  async start(container: string): Promise<void> {
    await this.kubelet.must("StartContainer", { container_id: container });
  }

  async status(container: string): Promise<unknown> {
    const { status } = await this.kubelet.must("ContainerStatus", { container_id: container });
    return [status.state, status.exit_code, status.reason];
  }

  async ends(container: string): Promise<void> {
    const request = { container_id: container };
    const ended = async () =>
      (await this.kubelet.must("ContainerStatus", request)).status.state === "CONTAINER_EXITED";
    await until(ended, 60, "a container to end");
  }

  /** What a command in a container says, or the code of the error. */
  async exec(container: string, script: string, timeout = 60): Promise<unknown> {
    return shown(
      await this.kubelet.call("ExecSync", {
        container_id: container,
        cmd: ["/bin/sh", "-c", script],
        timeout,
      }),
    );
  }

  log(name: string): string {
    const text = Deno.readTextFileSync(`${this.sandbox.log_directory}/${name}.log`);
    // Output and error output are copied side by side: which line is first is chance.
    const lines = text.trimEnd().split("\n").map((line) => line.replace(/^\S+ /, ""));
    return [
      ...lines.filter((line) => line.startsWith("stdout")),
      ...lines.filter((line) => line.startsWith("stderr")),
    ]
      .join("\n");
  }

  async end(): Promise<void> {
    for (const call of ["StopPodSandbox", "RemovePodSandbox"]) {
      await this.kubelet.must(call, { pod_sandbox_id: this.#sandbox });
    }
  }
}

/** An answer without what is the runtime's own words. */
const shown = ({ reply, code }: Answer): unknown => code === undefined ? reply : { code };

/** Does everything, with one runtime; what was to be seen. */
export async function kubeletAnswers(
  world: ContainerdWorld,
  kubelet: Kubelet,
  below: Below,
): Promise<Fields> {
  const pod = new Sequence(world, kubelet, below, "pod", {
    hostname: "a-pod",
    linux: {
      sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" },
      security_context: { privileged: true },
    },
  });
  await pod.begin();
  await life(pod);
  await kinds(pod);
  await sessions(pod);
  await faults(pod);
  await pod.end();
  const shared = new Sequence(world, kubelet, below, "shared", {
    linux: { security_context: { namespace_options: { network: "NODE", pid: "POD" } } },
  });
  await shared.begin();
  await sharedNamespaces(shared);
  await shared.end();
  return { ...pod.seen, ...shared.seen };
}

async function life(pod: Sequence): Promise<void> {
  const { kubelet, seen } = pod;
  const script = "trap 'exit 5' TERM; echo out; echo err >&2; while :; do sleep 0.1; done";
  const id = await pod.container("main", ["/bin/sh", "-c", script], {
    envs: [{ key: "A", value: "b" }],
    working_dir: "/etc",
    mounts: [{ container_path: "/host", host_path: "/etc", readonly: true }],
    linux: { resources: { memory_limit_in_bytes: 64 << 20, cpu_shares: 512, oom_score_adj: 500 } },
  });
  seen.created = await pod.status(id);
  await pod.start(id);
  seen.running = await pod.status(id);
  seen.exec = await pod.exec(
    id,
    "pwd; echo $A; touch /host/x; echo $?; cat /proc/1/oom_score_adj; exit 7",
  );
  seen.late = await pod.exec(id, "sleep 100", 1);
  const memory =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
  seen.memory = await pod.exec(id, memory);
  seen.address = await pod.exec(id, "ip -o -4 addr show dev eth0 | grep -c 10.88.77");
  const { stats } = await kubelet.must("ContainerStats", { container_id: id });
  seen.stats = [
    stats.cpu.usage_core_nano_seconds.value > 0,
    stats.memory.working_set_bytes.value > 0,
  ];
  const linux = { memory_limit_in_bytes: 96 << 20, cpu_quota: 50000, cpu_period: 100000 };
  await kubelet.must("UpdateContainerResources", { container_id: id, linux });
  seen.updated = await pod.exec(id, memory);
  await kubelet.must("StopContainer", { container_id: id, timeout: 10 });
  seen.stopped = await pod.status(id);
  seen.log = pod.log("main");
  await kubelet.must("RemoveContainer", { container_id: id });
}

async function kinds(pod: Sequence): Promise<void> {
  for (const [name, security_context] of Object.entries(KINDS)) {
    const id = await pod.container(name, ["/bin/sh", "-c", LOOKS], { linux: { security_context } });
    await pod.start(id);
    await pod.ends(id);
    pod.seen[name] = [await pod.status(id), pod.log(name)];
  }
}

/** A text, of whose lines that are the same one is left. */
const once = (text: string): string => [...new Set(text.split("\n"))].join("\n");

/** `kubectl exec` and `kubectl attach`. */
async function sessions(pod: Sequence): Promise<void> {
  const { kubelet, seen } = pod;
  const id = await pod.container(
    "talks",
    ["/bin/sh", "-c", "while read a && test $a != more; do echo got $a; done; exit 4"],
    {
      stdin: true,
    },
  );
  await pod.start(id);
  const exec = async (script: string, more: Fields, input?: string) => {
    const { url } = await kubelet.must("Exec", {
      container_id: id,
      cmd: ["/bin/sh", "-c", script],
      stdout: true,
      ...more,
    });
    return await kubelet.stream(url, input);
  };
  seen.execStream = await exec("echo out; echo err >&2; exit 6", { stderr: true });
  seen.execInput = await exec("read x; echo got $x", { stdin: true, stderr: true }, "words\n");
  seen.execTerminal = await exec("test -t 0 && echo tty", { tty: true, stdin: true });
  const attached = await kubelet.must("Attach", {
    container_id: id,
    stdin: true,
    stdout: true,
    stderr: true,
  });
  // containerd leads the input to the container before it leads the output from it: the first answer may be lost.
  const { reply } = await kubelet.stream(attached.url, "words\n", "more\n");
  seen.attach = { ...reply, stdout: once(reply.stdout) };
  await pod.ends(id);
  seen.attached = [await pod.status(id), once(pod.log("talks"))];
  const terminal = await pod.container("terminal", ["/bin/sh", "-c", "read a; tty; exit 2"], {
    stdin: true,
    tty: true,
  });
  await pod.start(terminal);
  const { url } = await kubelet.must("Attach", {
    container_id: terminal,
    stdin: true,
    tty: true,
    stdout: true,
  });
  seen.attachTerminal = await kubelet.stream(url, "words\n");
  await pod.ends(terminal);
  seen.terminal = await pod.status(terminal);
}

/** What goes wrong. */
async function faults(pod: Sequence): Promise<void> {
  const { kubelet, seen } = pod;
  const missing = await pod.container("missing", ["/no/such/program"]);
  seen.missing = shown(await kubelet.call("StartContainer", { container_id: missing }));
  seen.missingStatus = await pod.status(missing);
  const greedy = await pod.container("greedy", ["/bin/sh", "-c", "x=a; while :; do x=$x$x; done"], {
    linux: { resources: { memory_limit_in_bytes: 8 << 20 } },
  });
  await pod.start(greedy);
  await pod.ends(greedy);
  seen.greedy = await pod.status(greedy);
  const deaf = await pod.container("deaf", [
    "/bin/sh",
    "-c",
    "trap '' TERM; echo deaf; while :; do sleep 1; done",
  ]);
  await pod.start(deaf);
  // It is the first process of no namespace, so that TERM would end it before.
  await until(() => pod.log("deaf") !== "", 60, "a container to ignore TERM");
  await kubelet.must("StopContainer", { container_id: deaf, timeout: 1 });
  seen.deaf = await pod.status(deaf);
}

/** A pod whose containers see each other's processes, on the node's network. */
async function sharedNamespaces(pod: Sequence): Promise<void> {
  const linux = { security_context: { namespace_options: { network: "NODE", pid: "POD" } } };
  const first = await pod.container("first", ["/bin/sleep", "1234"], { linux });
  await pod.start(first);
  const second = await pod.container("second", ["/bin/sleep", "1000"], { linux });
  await pod.start(second);
  pod.seen.shared = await pod.exec(
    second,
    "ps | grep -c '[s]leep 1234'; ls /sys/class/net | grep -c lo",
  );
}
