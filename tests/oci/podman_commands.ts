/** Commands of podman, for the comparison of what is below it. Those of a sequence are about containers of those before them. */

/** A command: podman's words, and what it reads. `@` stands for the directory of the world. */
export interface PodmanCase {
  readonly name: string;
  readonly words: readonly string[];
  readonly stdin?: string;
}

const the = (name: string, ...words: string[]): PodmanCase => ({ name, words });
const reads = (stdin: string, { name, words }: PodmanCase): PodmanCase => ({ name, words, stdin });

/** The flags that podman's own default limits make necessary where nobody may raise them. */
const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
const PLAIN = ["--net=none", ...LIMITS];

const sh = (script: string) => ["bb", "/bin/sh", "-c", script];
const run = (name: string, ...words: string[]): PodmanCase =>
  the(name, "run", "--rm", ...PLAIN, ...words);
/** One that goes on until it is told to end. */
const start = (name: string, ...words: string[]): PodmanCase =>
  the(`start ${name}`, "run", "-d", "--name", name, ...LIMITS, ...words);
const inside = (container: string, script: string) => ["exec", container, "/bin/sh", "-c", script];

const CAPABILITIES = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status";
/** Files of cgroups, of either version. */
const cgroup = (...files: string[]) =>
  sh(`cat ${files.map((file) => `/sys/fs/cgroup/${file}`).join(" ")} 2>/dev/null`);
const PATIENT = sh("trap 'exit 5' TERM; echo started; while :; do sleep 0.1; done");

/** Containers that are removed when they have ended: each for itself. */
const ONCE: readonly PodmanCase[] = [
  run("output", "bb", "/bin/echo", "hello"),
  run("exit status", ...sh("exit 3")),
  run("both streams", ...sh("echo out; echo err >&2")),
  reads("to the container\n", run("input", "-i", "bb", "/bin/cat")),
  run("no such program", "bb", "no-such-program"),
  run("no such path", "bb", "/no/such/program"),
  run("a directory as program", "bb", "/etc"),
  run("an entry point", "--entrypoint", '["/bin/echo","from"]', "bb", "the entry point"),
  run("a user", "--user", "1000:1001", ...sh("id; pwd")),
  run("a user by name", "--user", "me", ...sh("id; echo $HOME")),
  run("a user that is not there", "--user", "nobody-here", "bb", "/bin/id"),
  run("groups", "--group-add", "77", "bb", "/bin/id"),
  run("capabilities", ...sh(CAPABILITIES)),
  run("more capabilities", "--cap-add", "SYS_ADMIN", ...sh(CAPABILITIES)),
  run("fewer capabilities", "--cap-drop", "ALL", "--user", "5", ...sh(CAPABILITIES)),
  run("one capability", "--cap-drop", "ALL", "--cap-add", "CHOWN", ...sh(CAPABILITIES)),
  run(
    "a capability of a user",
    "--user",
    "5",
    "--cap-add",
    "NET_BIND_SERVICE",
    ...sh(CAPABILITIES),
  ),
  run("all privileges", "--privileged", ...sh(`${CAPABILITIES}; ls /dev | wc -l`)),
  run("no new privileges", "--security-opt", "no-new-privileges", ...sh(CAPABILITIES)),
  run("no filter", "--security-opt", "seccomp=unconfined", ...sh(CAPABILITIES)),
  run("a filter", "--security-opt", "seccomp=@/seccomp.json", ...sh("mkdir /tmp/x; echo $?")),
  run("unmasked", "--security-opt", "unmask=ALL", ...sh("head -c 5 /proc/version")),
  run("masked more", "--security-opt", "mask=/proc/version", ...sh("wc -c </proc/version")),
  run(
    "processes hidden",
    "--security-opt",
    "proc-opts=hidepid=2",
    ...sh("grep '^proc /proc ' /proc/mounts"),
  ),
  run("environment", "-e", "A=1", ...sh("echo $A $HOME $container")),
  run("environment of a file", "--env-file", "@/env", ...sh("echo $FROM $FILE")),
  run("no environment", "--unsetenv-all", "bb", "/bin/env"),
  run("working directory", "-w", "/work/dir", "bb", "/bin/pwd"),
  run("host name", "--hostname", "example", "bb", "/bin/hostname"),
  run("hosts", "--add-host", "a.example:10.1.2.3", ...sh("grep a.example /etc/hosts")),
  run("time zone", "--tz", "UTC", ...sh("ls -l /etc/localtime | cut -c1-10")),
  run(
    "read-only",
    "--read-only",
    ...sh("for f in /x /tmp/x /run/x; do touch $f 2>/dev/null; echo $?; done"),
  ),
  run(
    "all read-only",
    "--read-only",
    "--read-only-tmpfs=false",
    ...sh("for f in /x /tmp/x; do touch $f 2>/dev/null; echo $?; done"),
  ),
  run("volume", "-v", "named:/data", ...sh("echo a >/data/file; cat /data/file")),
  run("shared volume", "-v", "named-too:/data:rshared", "bb", "/bin/true"),
  run("anonymous volume", "-v", "/data/deep", ...sh("touch /data/deep/x; echo $?")),
  run("directory", "-v", "@/files:/files:ro", ...sh("cat /files/file; touch /files/x; echo $?")),
  run("a file", "-v", "@/files/file:/data/one", ...sh("cat /data/one")),
  run(
    "no programs there",
    "-v",
    "@/files:/files:noexec,nosuid",
    ...sh("/files/program; echo $?"),
  ),
  run("not on disk", "-v", "@/files:/files:O", ...sh("echo x >/files/file; cat /files/file")),
  run(
    "mount",
    "--mount",
    "type=bind,source=@/files,destination=/files,ro=true,bind-propagation=rslave",
    ...sh("cat /files/file; touch /files/x; echo $?"),
  ),
  run(
    "mount of memory",
    "--mount",
    "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=0700",
    ...sh("grep ' /t ' /proc/mounts; ls -ld /t | cut -c1-10"),
  ),
  run("image as volume", "--mount", "type=image,source=bb,destination=/i", ...sh("ls /i/etc")),
  run("device file system", "--mount", "type=devpts,destination=/dev/pts", ...sh("ls /dev/pts")),
  run("tmpfs", "--tmpfs", "/t:size=1m", ...sh("grep ' /t ' /proc/mounts; touch /t/x; echo $?")),
  run("tmpfs over files", "--tmpfs", "/etc", ...sh("ls /etc")),
  run("tmpfs with options", "--tmpfs", "/t:ro,noexec,mode=700", ...sh("touch /t/x; echo $?")),
  run("shared memory", "--shm-size", "1m", ...sh("grep shm /proc/mounts")),
  run("memory", "--memory", "64m", ...cgroup("memory*/memory.limit_in_bytes", "memory.max")),
  run(
    "memory that is kept",
    "--memory-reservation",
    "32m",
    ...cgroup("memory/memory.soft_limit_in_bytes", "memory.low"),
  ),
  // Both runtimes have room to begin in; which process the kernel kills is sure, because the other ones are small.
  run(
    "too much memory",
    "--memory",
    "48m",
    ...sh("dd if=/dev/zero of=/dev/null bs=128M count=1 2>/dev/null; echo $?"),
  ),
  run("shares", "--cpu-shares", "512", ...cgroup("cpu/cpu.shares", "cpu.weight")),
  run("processors", "--cpus", "0.5", ...cgroup("cpu/cpu.cfs_quota_us", "cpu.max")),
  run("one processor", "--cpuset-cpus", "0", ...sh("grep Cpus_allowed_list /proc/self/status")),
  run("processes", "--pids-limit", "20", ...cgroup("pids/pids.max", "pids.max")),
  run(
    "reading slowly",
    "--device-read-bps",
    "/dev/null:1mb",
    "bb",
    "/bin/true",
  ),
  run("no cgroups", "--cgroups=disabled", "bb", "/bin/echo", "well"),
  run("a cgroup's parent", "--cgroup-parent", "/libpod_parent/other", "bb", "/bin/true"),
  run("limits", "--ulimit", "core=0:0", ...sh("ulimit -c; ulimit -n")),
  run("sysctl", "--sysctl", "net.ipv4.ip_forward=1", ...sh("cat /proc/sys/net/ipv4/ip_forward")),
  run("a sysctl of the host's", "--sysctl", "kernel.panic=1", "bb", "/bin/true"),
  run("score for lack of memory", "--oom-score-adj", "500", ...sh("cat /proc/self/oom_score_adj")),
  run("an init", "--init", ...sh("cat /proc/1/comm")),
  run(
    "masked",
    ...sh(
      "wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/panic; echo $?",
    ),
  ),
  run("a terminal", "-t", ...sh("test -t 0 && echo tty; ls -l /dev/console | cut -c1-10")),
  run("host's PIDs", "--pid=host", ...sh("test $$ -gt 1 && echo big")),
  run("host's names", "--uts=host", ...sh("hostname | wc -c")),
  run("host's memory", "--ipc=host", ...sh("readlink /proc/self/ns/ipc | wc -c")),
  the("host's network", "run", "--rm", ...LIMITS, "--net=host", ...sh("ip -o link | wc -l")),
  run(
    "users",
    "--uidmap",
    "0:100000:65536",
    "--gidmap",
    "0:100000:65536",
    ...sh("id -u; cat /proc/self/uid_map; touch /x; echo $?"),
  ),
  run("host's cgroups", "--cgroupns=host", ...sh("ls /sys/fs/cgroup | wc -l")),
  run("mode mask", "--umask", "0077", ...sh("umask")),
  run(
    "no passwd of its own",
    "--passwd=false",
    "--user",
    "4321",
    ...sh("grep -c 4321 /etc/passwd"),
  ),
  run(
    "devices",
    ...sh(
      "ls /dev; echo x >/dev/null; head -c 4 /dev/zero | wc -c; mknod /x b 8 0; cat /x 2>/dev/null; echo $?",
    ),
  ),
  run("one more device", "--device", "/dev/full:/dev/own:rw", ...sh("echo x >/dev/own; echo $?")),
  run(
    "a rule for devices",
    "--device-cgroup-rule",
    "c 1:7 rwm",
    ...sh("mknod /f c 1 7; echo x >/f; echo $?"),
  ),
  run("time-out", "--timeout", "1", "bb", "/bin/sleep", "100"),
  run("a directory as root", "--rootfs", "@/bundle/rootfs", "/bin/echo", "no image"),
  run("annotations", "--annotation", "a=b", "bb", "/bin/true"),
  run("a secret", "--secret", "missing", "bb", "/bin/true"),
  run("a hook", "--hooks-dir", "@/none", "bb", "/bin/true"),
];

const ONE: readonly PodmanCase[] = [
  start("one", "--net=none", "--pidfile", "@/pidfile", ...PATIENT),
  the("exec", ...inside("one", "echo in; exit 7")),
  the("exec as a user", "exec", "--user", "5:6", "one", "/bin/id"),
  the("exec elsewhere", "exec", "-e", "X=y", "-w", "/etc", "one", "/bin/sh", "-c", "pwd; echo $X"),
  the("exec with a file", "exec", "--env-file", "@/env", "one", "/bin/sh", "-c", "echo $FROM"),
  the("exec with a terminal", "exec", "-t", "one", "/bin/sh", "-c", "test -t 1 && echo tty"),
  reads("to exec\n", the("exec with input", "exec", "-i", "one", "/bin/cat")),
  the("exec with privileges", "exec", "--privileged", "one", "/bin/sh", "-c", CAPABILITIES),
  the("exec nothing", "exec", "one", "no-such-program"),
  the("exec in no directory", "exec", "-w", "/no/where", "one", "/bin/true"),
  the("exec detached", "exec", "-d", "one", "/bin/true"),
  the("top", "top", "one", "args"),
  the("statistics", "stats", "--no-stream", "--format", "{{.Name}}", "one"),
  the("copy in", "cp", "@/files/file", "one:/tmp/copied"),
  the("what was copied", ...inside("one", "cat /tmp/copied; rm /tmp/copied")),
  the("copy out", "cp", "one:/etc/passwd", "-"),
  the("what has changed", "diff", "one"),
  the("more memory", "update", "--memory", "96m", "one"),
  the("its memory", ...inside("one", "cat /sys/fs/cgroup/memory*/memory.limit_in_bytes")),
  the("pause", "pause", "one"),
  the("exec while paused", "exec", "one", "/bin/true"),
  the("paused", "ps", "--filter", "name=one", "--format", "{{.Names}} {{.State}}"),
  the("unpause", "unpause", "one"),
  the("state", "inspect", "--format", "{{.State.Status}} {{.State.Running}}", "one"),
  the("logs", "logs", "one"),
  the("signal", "kill", "-s", "USR1", "one"),
  the("rename", "rename", "one", "uno"),
  the("stop", "stop", "-t", "3", "uno"),
  the("end", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "uno"),
  the("wait", "wait", "uno"),
  the("start again", "start", "uno"),
  the("restart", "restart", "-t", "1", "uno"),
  the("the last of its logs", "logs", "--tail", "1", "uno"),
  the("stay while it runs", "rm", "uno"),
  the("no checkpoint", "container", "checkpoint", "uno"),
  the("kill", "kill", "uno"),
  the("wait for its end", "wait", "uno"),
  the("commit", "commit", "-q", "--change", "CMD=/bin/true", "uno", "from-one"),
  the("run what was committed", "run", "--rm", ...PLAIN, "from-one"),
  the("remove", "rm", "-f", "-t", "1", "uno"),
];

const TWO: readonly PodmanCase[] = [
  the("create", "create", "--name", "two", ...PLAIN, "bb", "/bin/echo", "created"),
  the("not started", "inspect", "--format", "{{.State.Status}}", "two"),
  the("make it", "init", "two"),
  the("made", "inspect", "--format", "{{.State.Status}}", "two"),
  the("start and attach", "start", "-a", "two"),
  the("clean up", "container", "cleanup", "two"),
  the("remove two", "rm", "two"),
  the(
    "create with input",
    "create",
    "-i",
    "--name",
    "three",
    ...PLAIN,
    ...sh("read a; echo got $a"),
  ),
  reads("words\n", the("attach with input", "start", "-a", "-i", "three")),
  the("is it there", "container", "exists", "three"),
  the("export", "export", "-o", "/dev/null", "three"),
  the("its files", "mount", "three"),
  the("no more", "umount", "three"),
  the("remove three", "rm", "three"),
  start("four", "--net=none", "--restart", "on-failure:2", ...sh("echo again; exit 1")),
  the("its end", "wait", "--condition", "exited", "four"),
  the("removed", "rm", "-f", "-t", "0", "four"),
];

const OTHERS: readonly PodmanCase[] = [
  start("base", "--net=none", "-v", "/shared", "--ipc=shareable", "bb", "/bin/sleep", "1000"),
  the("its network", "run", "--rm", ...LIMITS, "--net=container:base", ...sh("ip -o link | wc -l")),
  run("its processes", "--pid=container:base", ...sh("ps | grep -c '[s]leep 1000$'")),
  run("its memory for all", "--ipc=container:base", ...sh("readlink /proc/self/ns/ipc | wc -c")),
  run("its volumes", "--volumes-from", "base", ...sh("ls -d /shared")),
  the("health", "update", "--pids-limit", "50", "base"),
  the("its limit", ...inside("base", "cat /sys/fs/cgroup/pids*/pids.max")),
  the("remove base", "rm", "-f", "-t", "0", "base"),
  start("healthy", "--net=none", "--health-cmd", "/bin/true", "bb", "/bin/sleep", "100"),
  the("look at its health", "healthcheck", "run", "healthy"),
  the("remove healthy", "rm", "-f", "-t", "0", "healthy"),
  start("ill", "--net=none", "--health-cmd", "/bin/false", "bb", "/bin/sleep", "100"),
  the("look at its illness", "healthcheck", "run", "ill"),
  the("remove ill", "rm", "-f", "-t", "0", "ill"),
];

const INFRA = ["--infra-image", "bb", "--infra-command", "/bin/sleep 1000"];
const POD: readonly PodmanCase[] = [
  the(
    "a pod",
    "pod",
    "create",
    "--name",
    "pod",
    "--net=none",
    ...INFRA,
    "--share",
    "net,ipc,uts,pid",
  ),
  the(
    "in the pod",
    "run",
    "-d",
    "--pod",
    "pod",
    "--name",
    "member",
    ...LIMITS,
    "bb",
    "/bin/sleep",
    "1000",
  ),
  the("what is in the pod", ...inside("member", "ps | grep -c '[s]leep 1000$'")),
  the(
    "another",
    "run",
    "--rm",
    "--pod",
    "pod",
    ...LIMITS,
    ...sh("readlink /proc/self/ns/net | wc -c"),
  ),
  the("pods", "pod", "ps", "--format", "{{.Name}} {{.Status}} {{.NumberOfContainers}}"),
  the("the pod's processes", "pod", "top", "pod", "args"),
  the("pause the pod", "pod", "pause", "pod"),
  the("go on", "pod", "unpause", "pod"),
  the("stop the pod", "pod", "stop", "-t", "0", "pod"),
  the("start the pod", "pod", "start", "pod"),
  the("restart the pod", "pod", "restart", "pod"),
  the("kill the pod", "pod", "kill", "pod"),
  the("remove the pod", "pod", "rm", "-f", "-t", "0", "pod"),
];

const VOLUMES: readonly PodmanCase[] = [
  the("a volume", "volume", "create", "vol"),
  run("write to it", "-v", "vol:/data", ...sh("echo kept >/data/file")),
  run("read from it", "-v", "vol:/data:ro", ...sh("cat /data/file; touch /data/x; echo $?")),
  run("its own files first", "-v", "vol-etc:/etc", ...sh("ls /etc | grep passwd")),
  the("volumes", "volume", "ls", "--filter", "name=vol", "--format", "{{.Name}}"),
  the("remove it", "volume", "rm", "vol"),
  reads("hidden", the("a secret to keep", "secret", "create", "word", "-")),
  run("the secret", "--secret", "word", ...sh("cat /run/secrets/word")),
  run("the secret as a variable", "--secret", "word,type=env,target=WORD", ...sh("echo $WORD")),
];

const NETWORK: readonly PodmanCase[] = [
  the("a network", "network", "create", "--disable-dns", "--subnet", "10.89.%.0/24", "net"),
  start(
    "server",
    "--net=net",
    "--ip",
    "10.89.%.7",
    "-p",
    "127.0.0.1:80%:80",
    ...sh(
      "mkdir /www; echo served >/www/index.html; exec busybox httpd -f -p 80 -h /www",
    ),
  ),
  the(
    "from another",
    "run",
    "--rm",
    ...LIMITS,
    "--net=net",
    ...sh(
      "for i in 1 2 3 4 5 6 7 8 9; do busybox wget -q -O - http://10.89.%.7/ && break; sleep 1; done",
    ),
  ),
  the(
    "from the host",
    "run",
    "--rm",
    ...LIMITS,
    "--net=host",
    ...sh("busybox wget -q -O - http://127.0.0.1:80%/"),
  ),
  the("ports", "port", "server"),
  the("its address", ...inside("server", "ip -o -4 addr show eth0 | grep -c 10.89.%.7")),
  the("another network", "network", "create", "--disable-dns", "--subnet", "10.90.%.0/24", "more"),
  the("connect", "network", "connect", "more", "server"),
  the("two interfaces", ...inside("server", "ip -o link | wc -l")),
  the("disconnect", "network", "disconnect", "more", "server"),
  the("one interface", ...inside("server", "ip -o link | wc -l")),
  the("remove server", "rm", "-f", "-t", "0", "server"),
  the("remove networks", "network", "rm", "net", "more"),
];

const BUILD: readonly PodmanCase[] = [
  the("build", "build", "-q", "--isolation=oci", ...LIMITS, "--net=none", "-t", "built", "@/build"),
  run("run what was built", "built"),
  the("history", "history", "--format", "{{.CreatedBy}}", "built"),
  the(
    "build what fails",
    "build",
    "-q",
    "--isolation=oci",
    ...LIMITS,
    "--net=none",
    "-f",
    "@/build/Failing",
    "@/build",
  ),
];

const KUBE: readonly PodmanCase[] = [
  the(
    "play",
    "kube",
    "play",
    "--network=none",
    "--infra-image",
    "bb",
    "--infra-command",
    "/bin/sleep 1000",
    "@/pod.yaml",
  ),
  the("what plays", "ps", "--filter", "name=played", "--format", "{{.Names}}", "--sort", "names"),
  the(
    "exec in it",
    ...inside(
      "played-main",
      "echo $WORD; id -u; cat /sys/fs/cgroup/memory*/memory.limit_in_bytes; touch /x; echo $?",
    ),
  ),
  the("logs of it", "logs", "played-main"),
  the("generate", "kube", "generate", "played"),
  the("down", "kube", "down", "@/pod.yaml"),
];

/** A systemd in a container: the host's, on the files of the host's /usr. */
const SYSTEMD: readonly PodmanCase[] = [
  start(
    "machine",
    "--net=none",
    "--systemd=always",
    "-v",
    "/usr:/usr:ro",
    "machine",
    "/lib/systemd/systemd",
  ),
  the(
    "has it started",
    ...inside(
      "machine",
      "for i in $(seq 600); do systemctl is-active example.service && break; sleep 0.1; done",
    ),
  ),
  the("its first process", ...inside("machine", "cat /proc/1/comm")),
  the(
    "a service",
    ...inside("machine", "systemctl show -P ActiveState -P SubState example.service"),
  ),
  the(
    "stop the service",
    ...inside("machine", "systemctl stop example.service; systemctl is-active example.service"),
  ),
  the(
    "start the service",
    ...inside("machine", "systemctl start example.service; systemctl is-active example.service"),
  ),
  the("stop the machine", "stop", "-t", "30", "machine"),
  the("its exit status", "inspect", "--format", "{{.State.ExitCode}}", "machine"),
  the("remove the machine", "rm", "-f", "-t", "0", "machine"),
];

/** What can go on at once. `%` stands for a number that each podman has of its own. */
export const SEQUENCES: readonly (readonly PodmanCase[])[] = [
  ...[SYSTEMD, NETWORK, ONE, BUILD, KUBE, POD, TWO, OTHERS, VOLUMES],
  ...ONCE.map((each) => [each]),
];

/** Files that the commands are about, below the directory of the world. */
export const FILES: Readonly<Record<string, string>> = {
  env: "FROM=file\nFILE=yes\n",
  "seccomp.json": JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 28 }],
  }),
  "files/file": "of the host\n",
  "files/program": "#!/bin/sh\necho ran\n",
  "build/Dockerfile":
    "FROM bb\nENV A=b\nRUN echo $A >/built && id -u >>/built\nCOPY copied /copied\nUSER 1000\nWORKDIR /data\nCMD cat /built /copied; pwd; id -u\n",
  "build/Failing": "FROM bb\nRUN exit 9\n",
  "build/copied": "copied\n",
  "pod.yaml": JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "played" },
    spec: {
      containers: [
        {
          name: "main",
          image: "bb",
          command: ["sh", "-c", "echo playing; exec sleep 1000"],
          env: [{ name: "WORD", value: "from the file" }],
          resources: { limits: { memory: "64Mi" } },
          securityContext: { runAsUser: 1000, readOnlyRootFilesystem: true },
        },
        { name: "side", image: "bb", command: ["sleep", "1000"] },
      ],
    },
  }),
};
