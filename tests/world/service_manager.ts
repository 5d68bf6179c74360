/** A service manager for tests: it passes descriptors of all kinds to a program (sd_listen_fds(3)). */
import { Lines } from "./pod_world.ts";
import { RKT } from "./rkt.ts";

/**
 * Opens what the words say, one descriptor after the other from 3 on, prints what each of them is, and becomes rkt. `KIND=WHERE`:
 * `tcp=127.0.0.1:80`, `udp=127.0.0.1:53`, `unix=PATH`, `datagram=PATH`, `fifo=PATH`, `netlink=15`, `file=PATH`.
 */
const PROGRAM = String.raw`
use Socket; use strict; no strict "refs"; $^F = 500; $| = 1;
my $n = 0;
while (@ARGV && (my $word = shift) ne "--") {
  my ($kind, $where) = split /=/, $word, 2;
  my $file = "F" . $n++;
  my ($host, $port) = $where =~ /^(.*):(\d+)$/;
  my $at = defined $port ? pack_sockaddr_in($port, inet_aton($host)) : undef;
  if ($kind eq "tcp") {
    socket($file, AF_INET, SOCK_STREAM, 0) or die; setsockopt($file, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($file, $at) or die "bind $where: $!"; listen($file, 10);
  }
  elsif ($kind eq "udp") { socket($file, AF_INET, SOCK_DGRAM, 0) or die; bind($file, $at) or die "bind $where: $!"; }
  elsif ($kind eq "unix") { socket($file, AF_UNIX, SOCK_STREAM, 0) or die; bind($file, pack_sockaddr_un($where)) or die $!; listen($file, 10); }
  elsif ($kind eq "datagram") { socket($file, AF_UNIX, SOCK_DGRAM, 0) or die; bind($file, pack_sockaddr_un($where)) or die $!; }
  elsif ($kind eq "fifo") { open($file, "+<", $where) or die $!; }
  elsif ($kind eq "netlink") { socket($file, 16, SOCK_RAW, $where) or die $!; }
  else { open($file, "<", $where) or die $!; }
  fileno($file) == 2 + $n or die "descriptor " . fileno($file);
  print readlink("/proc/self/fd/" . fileno($file)), "\n";
}
$ENV{LISTEN_FDS} //= $n;
$ENV{LISTEN_PID} //= $$;
exec @ARGV or die "exec: $!";
`;

/** What a service manager is to pass. */
export interface Passing {
  /** See the program above. */
  readonly descriptors: readonly string[];
  /** `LISTEN_FDNAMES` */
  readonly names?: string;
  /** Other variables, or others than those that are right. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** The command that passes descriptors to `rkt WORDS`. */
export function passing(
  { descriptors, names, variables }: Passing,
  words: readonly string[],
): Deno.Command {
  return new Deno.Command("perl", {
    args: ["-e", PROGRAM, "--", ...descriptors, "--", RKT, ...words],
    env: { ...names !== undefined && { LISTEN_FDNAMES: names }, ...variables },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Connects, sends a text if there is one, and returns what comes until the end. */
export async function ask(to: Deno.ConnectOptions | Deno.UnixConnectOptions, text?: string) {
  using connection = "path" in to ? await Deno.connect(to) : await Deno.connect(to);
  if (text !== undefined) await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}

/** The lines of a stream of a process. */
export const linesOf = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Lines(stream);
