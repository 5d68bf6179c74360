/** What people write who know docker, podman or rkt 1, and what it is here: the ends of messages about unknown words. */
import { Failure } from "../../failure.ts";
import type { Command } from "./command.ts";
import type { UnknownWord } from "./unknown_word.ts";

const FLAGS: Readonly<Record<string, string>> = {
  "-i": "a terminal is given by --interactive",
  "-t": "a terminal is given by --interactive",
  "-it": "a terminal is given by --interactive",
  "-ti": "a terminal is given by --interactive",
  "--tty": "a terminal is given by --interactive",
  "-d": "there is no daemon: run rkt in the background, or as a unit of systemd",
  "--detach": "there is no daemon: run rkt in the background, or as a unit of systemd",
  "-p": "ports of the host are led by --port=NAME:HOSTPORT to the port NAME of the image",
  "--publish": "ports of the host are led by --port=NAME:HOSTPORT to the port NAME of the image",
  "-v": "volumes are --volume=NAME,kind=host,source=DIR and --mount=volume=NAME,target=DIR",
  "-e": "variables are set by --set-env=NAME=VALUE, or --environment=NAME=VALUE behind an image",
  "--env": "variables are set by --set-env=NAME=VALUE, or --environment=NAME=VALUE behind an image",
  "--env-file": "variables of a file are set by --set-env-file=FILE",
  "-u": "the user is set by --user=USER behind the image",
  "-w": "the working directory is set by --working-dir=DIR behind the image",
  "--workdir": "the working directory is set by --working-dir=DIR behind the image",
  "-m": "memory is limited by --memory=BYTES behind the image",
  "--cpus": "CPU time is limited by --cpu=CORES behind the image",
  "--network": "networks are chosen by --net=NAME",
  "--add-host": "lines of /etc/hosts are added by --hosts-entry=ADDRESS=NAME",
  "--read-only": "the root is made read-only by --readonly-rootfs behind the image",
  "--cap-add": "capabilities are chosen by --caps-retain=CAPABILITY,... behind the image",
  "--cap-drop": "capabilities are taken away by --caps-remove=CAPABILITY,... behind the image",
  "--entrypoint": "the program is chosen by --exec=FILE behind the image",
};

const COMMANDS: Readonly<Record<string, string>> = {
  ps: "rkt list",
  exec: "rkt enter, or rkt app exec",
  pull: "rkt fetch",
  push: "rkt image push",
  images: "rkt image list",
  rmi: "rkt image rm",
  build: "rkt image build",
  tag: "rkt image build --name, or rkt export --name",
  inspect: "rkt status, rkt cat-manifest and rkt image inspect",
  kill: "rkt stop --force",
  create: "rkt prepare",
  start: "rkt run-prepared",
  wait: "rkt status --wait",
  top: "rkt status",
  stats: "rkt status",
  save: "rkt image export",
  load: "rkt fetch docker-archive:FILE",
  system: "rkt gc and rkt image gc",
  info: "rkt version and rkt config",
  "api-service": "--format=json of each command, and rkt audit: there is no service",
};

/** The two commands that share the work of `run`, and its flags. */
const HALVES: Readonly<Record<string, string>> = {
  prepare: "run-prepared",
  "run-prepared": "prepare",
};

/**
 * The error with what a word of docker's is here, or with the command that has the flag; as it is for other words.
 *
 * @param speaker the command
 */
export function withHint(
  error: UnknownWord,
  speaker: string,
  commands: readonly Command[],
): Failure {
  const { what, word, begin, exitCode } = error;
  const [words, prefix] = what === "flag" ? [FLAGS, "; "] : [COMMANDS, "; that is "];
  const [other, name] = [HALVES[speaker] ?? "", word.replace(/^--/, "").replace(/=.*/s, "")];
  const hint = Object.hasOwn(words, word)
    ? words[word]
    : what === "flag" && hasFlag(commands, other, name)
    ? `it belongs to rkt ${other}`
    : undefined;
  return hint === undefined
    ? error
    : new Failure(`${begin}${prefix}${hint}`, exitCode, { cause: error });
}

const hasFlag = (commands: readonly Command[], command: string, flag: string): boolean =>
  commands.some(({ name, flags }) => name === command && flags.some((each) => each.name === flag));
