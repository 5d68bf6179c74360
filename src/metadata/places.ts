/** Where the metadata service and pods meet: paths on the host and in pods. */

/**
 * The socket at which rkt registers pods (rkt, Documentation/subcommands/metadata-service.md). Root's alone: whoever can
 * write to it says what a pod is.
 */
export const REGISTRATION_SOCKET = "/run/rkt/metadata-svc.sock";

/**
 * The directory of the sockets for pods, and nothing else. It is what pods get, and not a socket in it, so that they
 * find the sockets of a service that was started anew.
 */
export const POD_SOCKETS = "/run/rkt/metadata";

/** Where a pod has {@linkcode POD_SOCKETS}. */
export const POD_SOCKETS_INSIDE = "/run/rkt/metadata";

/** The socket of the metadata service in {@linkcode POD_SOCKETS}. */
export const METADATA_SOCKET = "metadata.sock";

/** The socket of the SPIFFE Workload API beside it. */
export const WORKLOAD_SOCKET = "workload.sock";

/** What the service remembers of the pods, so that a restart loses nothing; a reboot ends pods and forgets it. */
export const REMEMBERED_PODS = "/run/rkt/metadata-pods";

/** The public keys of the service, for `rkt identity bundle`: only the service may know the secret that they are made of. */
export const IDENTITY_BUNDLE = "/run/rkt/identity-bundle.json";

/** The port of rkt 1.30 (`MetadataServicePort`). */
export const DEFAULT_PORT = 18112;

/** In answers of the registration socket: the port at which the service listens for pods; absent where it has none. */
export const PORT_HEADER = "rkt-metadata-port";
