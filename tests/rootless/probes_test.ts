/** Nothing of one user reaches another's: pods, files, sockets, namespaces, and the arguments of what helps rkt. */
import assert from "node:assert/strict";
import { USER_VARIABLE } from "../../stage1/launcher/start_entry.ts";
import { until } from "../world/until.ts";
import { RKT } from "../world/rkt.ts";
import { UserWorld } from "../world/user_world.ts";

/** What is tried: a name, and a line of sh that must fail. */
type Probe = readonly [name: string, line: string];

/** What another user tries with rkt itself. */
function byRkt(victim: UserWorld, uuid: string): readonly Probe[] {
  const rkt = `${RKT} --insecure-options=image`;
  const theirs = `${rkt} --dir=${victim.data}`;
  const run = `${rkt} run --net=none`;
  const image = `${victim.dir}/box.aci`;
  const secret = `${victim.home}/secret`;
  return [
    ["list", `${theirs} list --no-legend`],
    ["status", `${theirs} status secret`],
    ["enter", `${theirs} enter secret /bin/sh -c 'echo in'`],
    ["enter by the UUID", `${theirs} enter ${uuid} /bin/sh -c 'echo in'`],
    ["stop", `${theirs} stop secret`],
    ["stop by force", `${theirs} stop --force secret`],
    ["rm", `${theirs} rm --force secret`],
    ["gc", `${theirs} gc --grace-period=0s && echo collected`],
    ["cp", `${theirs} cp secret:/etc/passwd $HOME/passwd`],
    ["logs", `${theirs} logs secret`],
    ["attach", `${theirs} attach secret`],
    ["export", `${theirs} export secret $HOME/out.aci`],
    ["app list", `${theirs} app list secret`],
    ["app stop", `${theirs} app stop secret --app=box`],
    ["image list", `${theirs} image list --no-legend`],
    ["image gc", `${theirs} image gc --grace-period=0s && echo collected`],
    ["image rm", `${theirs} image rm example.com/box`],
    ["run into their store", `${theirs} run --net=none ${image} -- -c 'echo ran'`],
    ["their pod in the own store", `${rkt} enter ${uuid} /bin/sh -c 'echo in'`],
    ["by a file with the UUID", `${rkt} status --uuid-file=${victim.home}/uuid`],
    [
      "a pod that is a link to theirs",
      `mkdir -p $HOME/forged/pods/run && ln -sfn ${victim.data}/pods/run/${uuid} ` +
      `$HOME/forged/pods/run/${uuid} && ${rkt} --dir=$HOME/forged enter ${uuid} /bin/sh -c 'echo in'`,
    ],
    [
      "a data directory that is a link to theirs",
      `ln -sfn ${victim.data} $HOME/linked && ${rkt} --dir=$HOME/linked stop ${uuid}`,
    ],
    ["their home", `HOME=${victim.home} ${rkt} list --no-legend`],
    ["their XDG_DATA_HOME", `XDG_DATA_HOME=${victim.home}/.local/share ${rkt} list --no-legend`],
    [
      "a user by the variable of rkt's own",
      `${USER_VARIABLE}=${victim.uid} ${theirs} enter secret /bin/sh -c 'echo in'`,
    ],
    [
      "their files by a volume",
      `${run} --volume=v,kind=host,source=${victim.home} ${image} --mount=volume=v,target=/v -- -c 'cat /v/secret'`,
    ],
    ["their variables", `${run} --set-env-file=${secret} ${image} -- -c env`],
    ["their manifest", `${run} --pod-manifest=${secret}`],
    [
      "their file for the UUID",
      `${run} --uuid-file-save=${victim.home}/new ${image} -- -c 'echo ran'`,
    ],
    ["their image", `${run} ${victim.home}/own.aci -- -c 'echo ran'`],
    [
      "their runtime directory",
      `XDG_RUNTIME_DIR=${victim.runtime} ${run} ${image} -- -c 'ls ${victim.runtime}'`,
    ],
    [
      "another newuidmap by PATH",
      `mkdir -p $HOME/bin && printf '#!/bin/sh\\ntouch $HOME/called\\n' >$HOME/bin/newuidmap && ` +
      `chmod 755 $HOME/bin/newuidmap && PATH=$HOME/bin:$PATH ${run} ${image} -- -c true; test -e $HOME/called`,
    ],
  ];
}

/** What he tries with the system's own tools, as himself and as root of a user namespace. */
function bySystem(victim: UserWorld, pids: readonly string[]): readonly Probe[] {
  const root = (line: string) => `unshare --user --map-root-user --mount sh -c '${line}'`;
  const first = Deno.readTextFileSync(victim.subids).split(":")[1] ?? `${victim.uid}`;
  const map = (program: string, id: string) =>
    `unshare --user sh -c 'echo $$; exec sleep 60' >$HOME/pid & p=$!; ` +
    `until [ -s $HOME/pid ]; do kill -0 $p || exit 1; done; ${program} $(cat $HOME/pid) 0 ${id} 10; ` +
    `code=$?; kill $p; rm $HOME/pid; exit $code`;
  const files: readonly Probe[] = [
    ["their home", `ls ${victim.home}`],
    ["their store", `ls ${victim.data}`],
    ["their starts", `ls ${victim.runtime}/rkt/starts`],
    ["a start for them", `mkdir -p ${victim.runtime}/rkt/starts && echo made`],
    ["their secret as root of a namespace", root(`cat ${victim.home}/secret`)],
    ["their home mounted", root(`mount --bind ${victim.home} /mnt && ls /mnt`)],
    [
      "their store below an overlay",
      root(`mount -t overlay -o lowerdir=${victim.data}:${victim.dir} o /mnt && ls /mnt`),
    ],
    ["their files as their owner's", root(`chown 0 ${victim.home}/secret`)],
    ["users of theirs", map("newuidmap", first)],
    ["groups of theirs", map("newgidmap", first)],
    ["the user himself", map("newuidmap", `${victim.uid}`)],
    ["the host's root", map("newuidmap", "0")],
  ];
  const processes = pids.flatMap((pid): readonly Probe[] => [
    [`kill ${pid}`, `kill -KILL ${pid}`],
    [`kill ${pid} as root`, root(`kill -KILL ${pid}`)],
    [`the root of ${pid}`, `ls /proc/${pid}/root/`],
    [`the root of ${pid} as root`, root(`ls /proc/${pid}/root/`)],
    [`the environment of ${pid}`, `cat /proc/${pid}/environ`],
    [`the memory of ${pid}`, `head -c 1 /proc/${pid}/mem`],
    [`the descriptors of ${pid}`, `ls /proc/${pid}/fd`],
    [`a trace of ${pid}`, root(`strace -o /dev/stdout -p ${pid}`)],
    [`limits of ${pid}`, `prlimit --pid ${pid} --nofile=1`],
    [`the priority of ${pid}`, `renice -n 19 -p ${pid}`],
    ...["user", "mount", "net", "pid", "ipc", "uts"].map((kind): Probe => [
      `the ${kind} namespace of ${pid}`,
      root(`nsenter --${kind} --target ${pid} echo in`),
    ]),
  ]);
  return [...files, ...processes];
}

/** Everything below a directory, with what may change when somebody writes there. */
async function state(directory: string): Promise<string> {
  const { stdout } = await new Deno.Command("find", {
    args: [directory, "-printf", "%p %u:%g %m %s %T@\\n"],
  }).output();
  return new TextDecoder().decode(stdout).split("\n").sort().join("\n");
}

for (const [mode, other] of [["range", "one"], ["one", "range"]] as const) {
  Deno.test(`nothing of a user with ${mode} is reached by one with ${other}`, async () => {
    await using victim = await UserWorld.make(mode);
    await using attacker = await UserWorld.make(other);
    const made = await victim.command([
      ...[
        "sh",
        "-c",
        "echo KEY=hidden >secret; chmod 644 secret; cp $0 own.aci",
        `${victim.dir}/box.aci`,
      ],
    ]);
    assert.equal(made.code, 0, made.stderr);
    const words = ["--net=none", `--uuid-file-save=${victim.home}/uuid`, `${victim.dir}/box.aci`];
    const pod = await victim.start("secret", ...words, "--", "-c", "exec sleep 1000");
    const uuid = Deno.readTextFileSync(`${victim.home}/uuid`).trim();
    const supervisor = /^pid=(\d+)$/m.exec((await victim.rkt("status", "secret")).stdout)?.[1] ??
      "";
    const isApp = (pid: string) => Deno.readTextFileSync(`/proc/${pid}/comm`) === "sleep\n";
    await until(() => [...descendants(supervisor)].some(isApp), 60, "the app");
    const before = await state(victim.home);

    const probes = [
      ...byRkt(victim, uuid),
      ...bySystem(victim, [supervisor, ...descendants(supervisor)]),
    ];
    assert.ok(probes.length > 40, `${probes.length} probes`);
    const script = probes.map(([, line], i) =>
      `(${line}) >$HOME/out 2>/dev/null </dev/null; echo "${i} $? $(grep -c hidden $HOME/out)"`
    );
    const { stdout, stderr } = await attacker.command(["sh", "-c", script.join("\n")]);
    const results = stdout.trim().split("\n").map((line) => line.split(" ").map(Number));
    assert.equal(results.length, probes.length, stderr);
    const reached = results.filter(([, status, lines]) => status === 0 || lines !== 0);
    assert.deepEqual(reached.map(([i = 0]) => probes[i]?.[0]), []);

    assert.equal(await state(victim.home), before, "something was changed");
    assert.match((await victim.rkt("status", "secret")).stdout, /^state=running$/m);
    assert.equal((await victim.rkt("stop", "secret")).code, 0);
    assert.equal((await pod.status).code, 143);
  });
}

/** The processes below a process. */
function descendants(pid: string): readonly string[] {
  const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter((child) => child !== "").flatMap((
    child,
  ) => [child, ...descendants(child)]);
}
