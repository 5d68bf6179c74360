/** Apps that speak to the service manager themselves: their images say so. */
import type { RuntimeApp } from "../../appc/pod_manifest.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { withSocket } from "../../../stage1/manager/relay_notify.ts";
import { originalVariable } from "../../linux/environment.ts";
import { watchdogTime } from "../host/notify_socket.ts";
import type { World } from "../world.ts";

/** An annotation of images that rkt 1 knew. One that is said of the app goes before that of its image. */
const SUPPORTS = "appc.io/executor/supports-systemd-notify";
/** The value that asks for what rkt 1 did not have: descriptors may be stored, too. */
const STORES = "fdstore";

/** What of an app matters here: the manifest has the annotations of its image, too. */
type Annotated = Pick<RuntimeApp, "name" | "annotations">;

/**
 * Gives each of these apps a socket, and the watchdog to them where there is one; else the supervisor sees to that.
 *
 * An app with a /dev of the host's has no place for a socket, and rkt speaks for it.
 */
export function withNotify(pod: Pod, apps: readonly Annotated[], world: World): Pod {
  const named = (which: (app: Annotated) => boolean) =>
    new Set<string>(apps.filter(which).map(({ name }) => name));
  const [speaking, storing] = [named(supportsNotify), named(storesDescriptors)];
  const watchdog = watchdogTime();
  if (originalVariable("WATCHDOG_PID") !== undefined) {
    if (watchdog === undefined) world.cannotRepeat("WATCHDOG_PID is another's");
    else world.note({ kind: "own PID", variable: "WATCHDOG_PID" });
  }
  let number = 0;
  const all = pod.apps.map((app) =>
    speaking.has(app.name) && !app.mounts.some(({ place }) => place === "/dev")
      ? withSocket(app, number++, watchdog, storing.has(app.name))
      : app
  );
  const supervised = number === 0 && watchdog !== undefined;
  return { ...pod, apps: all, ...supervised && { watchdog: Number(watchdog) } };
}

const supported = ({ annotations }: Annotated): string | undefined =>
  annotations.find(({ name }) => name === SUPPORTS)?.value;

const supportsNotify = (app: Annotated): boolean => ["true", STORES].includes(supported(app) ?? "");
const storesDescriptors = (app: Annotated): boolean => supported(app) === STORES;
