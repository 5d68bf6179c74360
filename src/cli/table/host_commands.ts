import type { Command } from "../grammar/command.ts";
import type { Flag } from "../grammar/flags.ts";
import { VERSION } from "./frequent_commands.ts";
import { FORMAT, NO_LEGEND, OVERWRITE, PRETTY_PRINT } from "./output_flags.ts";

const TRUST_DOMAIN: Flag = {
  name: "trust-domain",
  kind: "text",
  value: "DOMAIN",
  help: "The SPIFFE trust domain of this host's pods; the host's name by default",
};

/** The commands for the program itself and its services on the host. */
export const HOST_COMMANDS: readonly Command[] = [
  {
    name: "config",
    group: "Host",
    summary: "Print the configuration, merged, as JSON",
    usage: "[flags]",
    flags: [
      PRETTY_PRINT,
      { name: "secrets", kind: "switch", help: "Print passwords and tokens, and not asterisks" },
    ],
    arguments: [0, 0],
    examples: ["rkt config", "rkt config --local-config=/srv/rkt --pretty-print=false"],
    load: () => import("../help/config.ts"),
  },
  {
    name: "check",
    group: "Host",
    summary: "Say what this host lets rkt do",
    usage: "--rootless",
    about: [
      "With --rootless, called by a user other than root: tries what pods of that user need, one thing after the other, " +
      "and prints a line for each. What is missing comes with what mends it.",
    ],
    flags: [
      { name: "rootless", kind: "switch", help: "For users other than root" },
    ],
    arguments: [0, 0],
    examples: ["rkt check --rootless", "rkt check --rootless --dir=/srv/me/rkt"],
    load: () => import("../help/check.ts"),
  },
  {
    name: "metadata-service",
    group: "Host",
    summary: "Serve metadata to pods",
    usage: "[flags]",
    about: [
      "Answers pods that were started with --mds-register what they ask about themselves: by HTTP at a " +
      "port of the host, where a token says which pod asks, and at a unix socket in the pod, where the " +
      "kernel says it. It signs for pods by a key that they never see.",
      "It runs until it gets TERM or INT, and answers what has begun. What it knows of the pods outlives " +
      "it. Sockets that systemd hands over are used in place of its own.",
    ],
    flags: [
      {
        name: "listen-port",
        kind: "number",
        default: "18112",
        help: "The port to listen on for pods; 0 for none",
      },
      TRUST_DOMAIN,
    ],
    arguments: [0, 0],
    examples: ["rkt metadata-service", "rkt metadata-service --listen-port=2375"],
    load: () => import("../host/metadata_service.ts"),
  },
  {
    name: "identity bundle",
    group: "Host",
    summary: "Print what verifies the identities of this host's pods",
    usage: "[flags]",
    about: ["Prints a SPIFFE bundle: public keys as a JWK set. It is no secret."],
    flags: [TRUST_DOMAIN],
    arguments: [0, 0],
    examples: ["rkt identity bundle", "rkt identity bundle --trust-domain=cluster.example"],
    load: () => import("../host/identity_bundle.ts"),
  },
  {
    name: "identity seal",
    group: "Host",
    summary: "Have the secret of this host's identities kept by its TPM",
    usage: "[flags]",
    about: [
      "Seals the secret in the machine's TPM 2.0, by tpm2-tools, and removes it from the disk. Where there is none yet, it is " +
      "made. The metadata service has it opened by the TPM each time that it starts.",
    ],
    flags: [{
      name: "pcrs",
      kind: "text",
      value: "LIST",
      help: "Open it only while these registers are as now, like sha256:7; tpm2_policypcr(1)",
    }],
    arguments: [0, 0],
    examples: ["rkt identity seal", "rkt identity seal --pcrs=sha256:7"],
    load: () => import("../host/identity_seal.ts"),
  },
  {
    name: "identity verify",
    group: "Host",
    summary: "Verify a token, certificate or signature of a pod, offline",
    usage: "[flags] FILE",
    about: [
      "Prints whom the document names, as JSON, where one of the bundle's keys has signed it and it has " +
      "not expired. FILE is a token (JWT), a certificate (PEM) or a signature (JWS); - is the standard input.",
    ],
    flags: [
      { name: "bundle", kind: "text", value: "FILE", help: "What rkt identity bundle has printed" },
      { name: "audience", kind: "text", value: "NAME", help: "Whom a token must be for" },
      { name: "content", kind: "text", value: "PATH", help: "What the pod has signed" },
    ],
    arguments: [1, 1],
    examples: [
      "rkt identity verify --bundle=host.json --audience=db token.jwt",
      "rkt identity verify --bundle=host.json --content=order.json order.json.sig",
    ],
    load: () => import("../host/identity_verify.ts"),
  },
  {
    name: "audit",
    group: "Host",
    summary: "Show what was recorded of images, keys and pods",
    usage: "[flags]",
    about: [
      "The records are those of the journal, and of the file audit.log in the data directory. With " +
      "--signer they say which pods have run images that were signed by a key.",
    ],
    flags: [
      {
        name: "since",
        kind: "text",
        value: "TIME",
        help: "Only what is not older: 2h, 7d, 2026-11-30 or '2026-11-30 12:00'",
      },
      { name: "pod", kind: "text", value: "UUID", help: "Only of this pod" },
      { name: "image", kind: "text", value: "IMAGE", help: "Only of this image: its name or ID" },
      {
        name: "signer",
        kind: "text",
        value: "FINGERPRINT",
        help: "Only of images signed by this key, and of the key: the last digits will do",
      },
      NO_LEGEND,
      FORMAT,
    ],
    arguments: [0, 0],
    examples: [
      "rkt audit --since=24h",
      "rkt audit --signer=18ad5014c99ef7e3ba5f6ce950bdd3e0fc8a365e --format=json",
    ],
    load: () => import("../audit/audit.ts"),
  },
  {
    name: "unit",
    group: "Host",
    summary: "Write the systemd unit of a pod",
    usage: "[flags] NAME -- run [flags] IMAGE ...",
    about: [
      "Prints NAME.service, which runs the pod of the words behind --; they are read as rkt run reads " +
      "them. With --timer a NAME.timer that starts it by the clock, with --socket a NAME.socket that " +
      "starts it at the first connection. Flags for all of rkt, like --dir, stand in the unit too.",
      "A name that ends in @ makes a template: in the words %i is then the instance's name.",
    ],
    flags: [
      {
        name: "install",
        kind: "switch",
        help: "Write the files to /etc/systemd/system, and reload",
      },
      {
        name: "user",
        kind: "switch",
        help: "For the systemd of the user who calls: ~/.config/systemd/user",
      },
      { ...OVERWRITE, help: "With --install: replace files that are there" },
      {
        name: "fetch",
        kind: "switch",
        help: "Fetch the images before each start, in ExecStartPre=",
      },
      {
        name: "timer",
        kind: "text",
        value: "TIME",
        help: "Start it at these times, like daily or *:0/15: systemd.time(7)",
      },
      {
        name: "socket",
        kind: "texts",
        value: "[udp:|fifo:]ADDRESS",
        help: "Start it when somebody connects: a port, ADDRESS:PORT or a path; systemd.socket(5)",
      },
      {
        name: "socket-name",
        kind: "text",
        value: "NAME",
        help: "The app, or the port of an app, that the sockets are for",
      },
      {
        name: "accept",
        kind: "switch",
        help: "With --socket: a pod for each connection, which is its input and output",
      },
      {
        name: "credential",
        kind: "texts",
        value: "NAME[:PATH]",
        help: "Pass a credential (LoadCredential=), as a file of the volume credentials",
      },
      {
        name: "register",
        kind: "switch",
        help: "Register the pod with systemd-machined, where that is there",
      },
      { name: "description", kind: "text", value: "TEXT", help: "What systemctl calls it" },
    ],
    arguments: [1, Infinity],
    examples: [
      "rkt unit --install --socket=80 web -- run --net=none example.com/web:1",
      "rkt unit --install --timer=daily backup -- run --net=none --rm example.com/backup",
    ],
    load: () => import("../unit/unit.ts"),
  },
  {
    name: "oci",
    group: "Host",
    summary: "Be the OCI runtime of an engine, such as podman or containerd",
    usage: "[flags] COMMAND ...",
    about: [
      "The commands and flags are those of runc: rkt oci --help lists them. Called by the name rkt-oci, a link, rkt is " +
      "this command: that is what engines want.",
      "rkt oci --dry-run create prints each step that would make the container.",
    ],
    flags: [],
    grammar: "command",
    examples: ["rkt oci spec", "podman --runtime /usr/local/bin/rkt-oci run IMAGE"],
    load: () => import("../oci/oci_command.ts"),
  },
  {
    name: "completion",
    group: "Host",
    summary: "Print the completion script for a shell",
    usage: "bash|zsh|fish",
    flags: [],
    arguments: [1, 1],
    examples: ["rkt completion bash", "source <(rkt completion bash)"],
    load: () => import("../help/completion.ts"),
  },
  VERSION,
  {
    name: "help",
    group: "Host",
    summary: "Explain rkt or one of its commands",
    usage: "[COMMAND]",
    flags: [
      {
        name: "man",
        kind: "text",
        value: "DIR",
        help: "Write manual pages of all commands to DIR",
      },
    ],
    examples: ["rkt help image build", "rkt help --man=/usr/local/share/man/man1"],
    load: () => import("../help/help.ts"),
  },
];
