/**
 * Network namespaces. Only the calling thread is in another one meanwhile, and JavaScript runs in one thread: so what is
 * done there must be synchronous.
 */
import { closeDescriptor, lockExclusive, lockShared } from "../../linux/lock.ts";
import { cstring, syscall } from "../../linux/syscall.ts";
import { AT_FDCWD, CLONE_NEWNET, O_CLOEXEC } from "../../linux/early_constants.ts";

/** The network namespace that this thread is in. */
const OWN = "/proc/thread-self/ns/net";

/** Opens a network namespace by its path; closed on exec. */
export function openNamespace(path: string): number {
  const doing = `open the network namespace ${path}`;
  return syscall(doing, "openat", AT_FDCWD, cstring(path), O_CLOEXEC, 0);
}

/**
 * Does something in another network namespace.
 *
 * @param namespace a descriptor of it
 */
export function inNamespace<T>(namespace: number, act: () => T): T {
  return away(() => {
    syscall("enter a network namespace", "setns", namespace, CLONE_NEWNET);
    return act();
  });
}

/** Makes a network namespace and returns a descriptor of it, closed on exec; it lives as long as that. */
export function makeNamespace(): number {
  return makeNamespaceWith(() => undefined)[0];
}

/** Makes a network namespace, like {@linkcode makeNamespace}, and does something in it. */
export function makeNamespaceWith<T>(act: () => T): readonly [namespace: number, T] {
  return away(() => {
    syscall("make a network namespace", "unshare", CLONE_NEWNET);
    return [openNamespace(OWN), act()];
  });
}

/**
 * The descriptor of the pod's network namespace: a number that is known when the plan is made, and by which external
 * plugins find the namespace (`/proc/PID/fd/201`) as long as the supervisor, which is this process, lives.
 */
export const POD_NAMESPACE = 201;

/** Makes a descriptor of a namespace {@linkcode POD_NAMESPACE}, closed on exec. */
export function keepNamespace(namespace: number): void {
  syscall("keep the pod's network namespace", "dup3", namespace, POD_NAMESPACE, O_CLOEXEC);
  closeDescriptor(namespace);
}

/**
 * Does something while a lock is held that belongs to the network namespace of this thread, whoever has it: that no bridge
 * goes while a port is on its way to it.
 */
export function withNamespaceLock<T>(how: "shared" | "exclusive", act: () => T): T {
  const own = openNamespace(OWN);
  try {
    // Namespaces are files of nsfs, and those can be locked like others.
    (how === "shared" ? lockShared : lockExclusive)(own, OWN);
    return act();
  } finally {
    closeDescriptor(own);
  }
}

/** Lets this thread go to another namespace and brings it back. */
function away<T>(act: () => T): T {
  const own = openNamespace(OWN);
  try {
    return act();
  } finally {
    syscall("return to the own network namespace", "setns", own, CLONE_NEWNET);
    syscall("close the own network namespace", "close", own);
  }
}
