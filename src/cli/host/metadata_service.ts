/** `rkt metadata-service`: answers pods what they ask about themselves, until it is told to end. */
import { Failure } from "../../failure.ts";
import { bundle } from "../../identity/bundle.ts";
import { hostKeys } from "../../identity/host_keys.ts";
import {
  defaultTrustDomain,
  parseTrustDomain,
  type PodIdentity,
} from "../../identity/pod_identity.ts";
import { serveWorkload } from "../../identity/workload_api.ts";
import { derivedKey, hostSecret } from "../../identity/host_secret.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { printNote } from "../../linux/printable.ts";
import { inheritedSockets, listenAtPath, listenAtPort } from "../../metadata/listening.ts";
import {
  IDENTITY_BUNDLE,
  METADATA_SOCKET,
  POD_SOCKETS,
  REGISTRATION_SOCKET,
  REMEMBERED_PODS,
  WORKLOAD_SOCKET,
} from "../../metadata/places.ts";
import { type RegisteredPod, RegisteredPods } from "../../metadata/registered_pods.ts";
import {
  MetadataService,
  type ServiceSockets,
  type WorkloadService,
} from "../../metadata/service.ts";
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
  const domain = flags.text("trust-domain");
  const trustDomain = domain === undefined
    ? defaultTrustDomain(Deno.hostname())
    : parseTrustDomain(domain);
  const keys = hostKeys(secret);
  const publicKeys = bundle(keys, trustDomain);
  replaceFile(IDENTITY_BUNDLE, `${publicKeys}\n`, { mode: 0o644, durable: false });
  const workload: WorkloadService = {
    socket: podSocket(WORKLOAD_SOCKET),
    serve: (socket, pod, app, alive) => {
      const identity = identityOf(pod, app, trustDomain);
      serveWorkload(socket, { keys, trustDomain, who: () => alive() ? identity : undefined });
    },
  };
  const signer = {
    hmac: derivedKey(secret, "pod hmac", KEY_BYTES),
    ...{ ed25519: keys.signatures, bundle: publicKeys, trustDomain },
  };
  const service = new MetadataService(pods, sockets, signer, workload, debug);
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

function identityOf(pod: RegisteredPod, app: string, trustDomain: string): PodIdentity {
  const image = pod.parsed.apps.find(({ name }) => name === app)?.image;
  const [imageId, imageName] = [image?.id ?? "", image?.name ?? ""];
  return { trustDomain, pod: pod.uuid, app, imageId, imageName };
}

const handedOver = (name: string) =>
  inheritedSockets().find(({ address }) =>
    address.family === "unix" && address.path.endsWith(`/${name}`)
  );

/** A socket for pods. */
const podSocket = (name: string) =>
  handedOver(name) ?? listenAtPath(`${POD_SOCKETS}/${name}`, 0o666);

/** The sockets that were handed over, and those that are missing made here. */
function serviceSockets(port: number): ServiceSockets {
  const network = inheritedSockets().find(({ address }) => address.family.startsWith("ip"));
  for (const directory of ["/run/rkt", POD_SOCKETS]) {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
  }
  Deno.chmodSync(POD_SOCKETS, 0o755);
  return {
    registration: handedOver("metadata-svc.sock") ?? listenAtPath(REGISTRATION_SOCKET, 0o600),
    pods: podSocket(METADATA_SOCKET),
    network: network ?? (port === 0 ? undefined : listenAtPort(port)),
  };
}
