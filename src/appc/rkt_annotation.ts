/**
 * The annotations by which a pod manifest says how rkt is to run a pod and its apps, where the specification has no
 * field for it. rkt writes them from its flags; an image can't set them ({@linkcode isRktAnnotation}).
 */
import { type Annotation, annotationValue } from "./annotation.ts";
import { parseAcIdentifier } from "./identifier.ts";

const PREFIX = "coreos.com/rkt/";

/** Their names, by what they say. */
export const RKT_ANNOTATIONS = {
  /** Of an app: `true` where what it has synced to its root is to outlive a crash of the machine. */
  durableRoot: `${PREFIX}stage2/durable-rootfs`,
  /** Of an app: what its standard streams are; see `StreamMode` of stage1. */
  stdin: `${PREFIX}stage2/stdin`,
  stdout: `${PREFIX}stage2/stdout`,
  stderr: `${PREFIX}stage2/stderr`,
  /** Of an app: the most bytes that its logs take. */
  logSize: `${PREFIX}stage2/log-size`,
  /** Of an app: the limits of its processes; see stage1/app/process_limits.ts. */
  ulimits: `${PREFIX}stage2/ulimits`,
  /** Of an app: how much it may read from and write to single disks; see src/cgroup/device_limits.ts. */
  deviceLimits: `${PREFIX}stage2/device-limits`,
  /** Of an app: when it is started again; see stage1/app/restart_policy.ts for this and the next three. */
  restart: `${PREFIX}stage2/restart`,
  restartDelay: `${PREFIX}stage2/restart-delay`,
  onExit: `${PREFIX}stage1/on-exit`,
  after: `${PREFIX}stage2/after`,
  /** Of a pod: `true` where its apps come and go while it runs. */
  mutable: `${PREFIX}stage1/mutable`,
  /** Of a pod: how it is run, where that is not by namespaces of its own: `fly`. */
  flavor: `${PREFIX}stage1/flavor`,
  /** Of a pod: the name that people call it by. */
  podName: `${PREFIX}stage0/pod-name`,
} as const;

/** What an annotation of rkt says. */
export type RktAnnotation = keyof typeof RKT_ANNOTATIONS;

/** An annotation of rkt's, as a list of one; of none where there is nothing to say. */
export function rktAnnotation(name: RktAnnotation, value: string | undefined): Annotation[] {
  return value === undefined ? [] : [{ name: parseAcIdentifier(RKT_ANNOTATIONS[name]), value }];
}

/** The value of an annotation of rkt's; `undefined` where the manifest does not have it. */
export function rktAnnotationValue(
  list: readonly Annotation[],
  name: RktAnnotation,
): string | undefined {
  return annotationValue(list, RKT_ANNOTATIONS[name]);
}

/** Whether an annotation is for rkt, and so not for images to set. */
export function isRktAnnotation({ name }: Annotation): boolean {
  return name.startsWith(PREFIX);
}
