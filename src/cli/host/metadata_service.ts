/** `rkt metadata-service`: answers pods what they ask about themselves, until it is told to end. */
import { Failure } from "../../failure.ts";
import { derivedKey, hostSecret } from "../../identity/host_secret.ts";
import { printNote } from "../../linux/printable.ts";
import { inheritedSockets, listenAtPath, listenAtPort } from "../../metadata/listening.ts";
import {
  METADATA_SOCKET,
  POD_SOCKETS,
  REGISTRATION_SOCKET,
  REMEMBERED_PODS,
} from "../../metadata/places.ts";
import { RegisteredPods } from "../../metadata/registered_pods.ts";
import { MetadataService, type ServiceSockets } from "../../metadata/service.ts";
import type { Invocation } from "../grammar/command.ts";

/** Bytes of a key for HMAC-SHA512: as many as its block has no need to hash (RFC 2104). */
const KEY_BYTES = 64;

/** Runs the command; it returns when it was told to end. */
export default async function run({ flags, global }: Invocation): Promise<number> {
  if (Deno.uid() !== 0) throw new Failure("metadata-service needs root; try it with sudo");
  const secret = hostSecret(global.dir);
  const sockets = serviceSockets(flags.number("listen-port") ?? 0);
  const pods = new RegisteredPods(REMEMBERED_PODS);
  const debug = global.debug ? (line: string) => printNote(`metadata-service: ${line}`) : undefined;
  const key = derivedKey(secret, "pod hmac", KEY_BYTES);
  const service = new MetadataService(pods, sockets, key, [], debug);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => service.stop());
  }
  printNote(`metadata-service: ready, ${pods.size} pods, ${described(sockets)}`);
  await service.run();
  Deno.exit(0);
}

const described = ({ network, pods }: ServiceSockets): string =>
  [network, pods].flatMap((socket) =>
    socket === undefined
      ? []
      : socket.address.family === "unix"
      ? [socket.address.path]
      : socket.address.family === "other"
      ? []
      : [`port ${socket.address.port}`]
  ).join(", ");

/** The sockets that were handed over, and those that are missing made here. */
function serviceSockets(port: number): ServiceSockets {
  const inherited = inheritedSockets();
  const named = (name: string) =>
    inherited.find(({ address }) => address.family === "unix" && address.path.endsWith(`/${name}`));
  const network = inherited.find(({ address }) => address.family.startsWith("ip"));
  for (const directory of ["/run/rkt", POD_SOCKETS]) {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
  Deno.chmodSync(POD_SOCKETS, 0o755);
  return {
    registration: named("metadata-svc.sock") ?? listenAtPath(REGISTRATION_SOCKET, 0o600),
    pods: named(METADATA_SOCKET) ?? listenAtPath(`${POD_SOCKETS}/${METADATA_SOCKET}`, 0o666),
    network: network ?? (port === 0 ? undefined : listenAtPort(port)),
  };
}
