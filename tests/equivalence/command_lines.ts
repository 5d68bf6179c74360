/** Command lines whose repeated starts are compared with fresh ones. */
import { BOX } from "../world/pod_world.ts";
import { WEB } from "./place.ts";

/** What a command line, or a change of the host, is about: only these are more likely to go together. */
export type Subject = "image" | "volume" | "network" | "users" | "cgroup" | "file" | "caller";

/** A command line. */
export interface CommandLine {
  /** The words; `DIR` stands for the host's directory. */
  readonly words: readonly string[];
  readonly about: readonly Subject[];
  /** How many apps wait to be looked at; 0 where the pod ends by itself. */
  readonly waiting: number;
}

const SEE = "id; env | sort; pwd; ulimit -a; cat /etc/hosts /etc/resolv.conf; " +
  "stat -c '%A %u %g %n' /* /dev/* /v/* /srv/*; cat /v/file /v/below/file; [ -p /w ] || cat /w; cat /etc/hostname; echo seen >&2; ";
const WAIT = `${SEE} exec sleep 1000`;
const END = `${SEE} exit 7`;

const GLOBAL = ["--dir=DIR/data", "--local-config=DIR/etc", "--insecure-options=image"];

const app = (script: string) => ["--", "-c", script];

/** A pod of one app of {@linkcode BOX}. */
function one(about: readonly Subject[], ...flags: string[]): CommandLine {
  return { words: line(["--net=none"], BOX, flags, app(WAIT)), about, waiting: 1 };
}

/** The same, to its end. */
function ending(about: readonly Subject[], ...flags: string[]): CommandLine {
  return { words: line(["--net=none"], BOX, flags, app(END)), about, waiting: 0 };
}

/** A pod with networks. */
function networked(image: string, ...flags: string[]): CommandLine {
  return { words: line([], image, flags, app(WAIT)), about: ["network"], waiting: 1 };
}

function line(
  pod: readonly string[],
  image: string,
  flags: readonly string[],
  args: readonly string[],
): readonly string[] {
  return [...GLOBAL, "run", ...pod, image, ...flags, ...args];
}

const VOLUME = ["--volume=v,kind=host,source=DIR/volumes/dir", "--mount=volume=v,target=/v"];
const SINGLE = ["--volume=w,kind=host,source=DIR/volumes/single", "--mount=volume=w,target=/w"];

export const COMMAND_LINES: readonly CommandLine[] = [
  one([]),
  one(["caller"], "--environment=A=1"),
  one(["caller"], "--debug"),
  ending([]),
  ending(["file"], "--rm"),
  one(["file"], "--rm"),
  one(["image"], "--user=www", "--group=staff"),
  one(
    ["image"],
    "--user=/srv/owned",
    "--group=/srv/owned",
    "--seccomp=mode=retain,@rkt/default-whitelist",
  ),
  one(["image"], "--working-dir=/srv", "--readonly-rootfs"),
  one([], "--hostname=fixed", "--ipc=parent"),
  one([], "--set-env=B=2", "--caps-retain=CAP_NET_BIND_SERVICE,CAP_CHOWN"),
  one([], "--caps-remove=CAP_MKNOD", "--supplementary-gids=5,6", "--oom-score-adj=300"),
  one(["volume"], ...VOLUME),
  one(["volume"], ...VOLUME.map((flag) => flag.replace("dir", "dir,readOnly=true"))),
  one(["volume"], ...VOLUME.map((flag) => flag.replace("dir", "dir,recursive=false"))),
  one(["volume"], ...SINGLE),
  one(["volume"], "--volume=v,kind=empty,mode=0770,uid=33,gid=34", "--mount=volume=v,target=/v"),
  one(["volume"], "--volume=v,kind=host,source=/dev/null", "--mount=volume=v,target=/v"),
  one(["cgroup"], "--memory=64Mi"),
  one(["cgroup"], "--cpu=500m", "--cpu-shares=512", "--pids-limit=50"),
  one(["cgroup"], "--io-weight=200"),
  one(["cgroup"], "--ulimit=nofile=512:1024"),
  one(["file"], "--uuid-file-save=DIR/files/uuid"),
  one(["file"], "--set-env-file=DIR/files/environment"),
  one(["caller"], "--inherit-env"),
  one(["caller"], "--stdout=log", "--stderr=log", "--stdin=null"),
  one(["network"], "--dns=host", "--hosts-entry=host"),
  one(["network"], "--dns=192.0.2.7", "--dns-search=example.org", "--hosts-entry=192.0.2.8=a,b"),
  one(["users"], "--private-users"),
  one(["users", "volume"], "--private-users", ...VOLUME),
  one(["users", "cgroup"], "--private-users", "--memory=64Mi"),
  ending(["users"], "--private-users", "--rm"),
  one([], "--no-overlay"),
  one(["image"], "--pull-policy=never", "--restart=on-failure", "--restart-delay=10ms"),
  { words: line(["--net=host"], BOX, [], app(WAIT)), about: ["network"], waiting: 1 },
  networked(BOX),
  networked(BOX, "--private-users"),
  { words: line(["--net=default-restricted"], BOX, [], app(WAIT)), about: ["network"], waiting: 1 },
  { words: line(["--net=p"], BOX, [], app(WAIT)), about: ["network"], waiting: 1 },
  { words: line(["--net=br"], BOX, [], app(WAIT)), about: ["network"], waiting: 1 },
  {
    words: line(["--net=br", "--port=http:8099"], WEB, [], app(WAIT)),
    about: ["network"],
    waiting: 1,
  },
  { words: line(["--net=br", "--net=p"], BOX, [], app(WAIT)), about: ["network"], waiting: 1 },
  { words: line(["--port=http:8099"], WEB, [], app(WAIT)), about: ["network"], waiting: 1 },
  {
    words: line(["--port=http:127.0.0.1:8099", "--net=p"], WEB, ["--rm"], app(WAIT)),
    about: ["network"],
    waiting: 1,
  },
  {
    words: line(["--net=none", ...VOLUME.slice(0, 1)], WEB, ["--mount=volume=v,target=/v"], [
      ...app(WAIT),
      "---",
      BOX,
      "--name=second",
      "--memory=32Mi",
      ...app(WAIT),
    ]),
    about: ["image", "volume", "cgroup"],
    waiting: 2,
  },
  {
    words: line([], BOX, ["--name=first", "--after=second"], [
      ...app(WAIT),
      "---",
      WEB,
      "--name=second",
      ...app(WAIT),
    ]),
    about: ["network", "caller"],
    waiting: 2,
  },
];
