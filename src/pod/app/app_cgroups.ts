import { findHierarchies } from "../../cgroup/hierarchies.ts";
import { Failure } from "../../failure.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { type Process, processFile } from "../../linux/process.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../linux/constants.ts";

/**
 * Opens what is written to by whoever joins the cgroups of a process: one file for each hierarchy where it is in another
 * cgroup than we are.
 *
 * @returns descriptors, closed on exec
 * @throws {Failure} where the process is gone
 */
export function openCgroups(process: Process): readonly number[] {
  const mounts = processFile("self", "mountinfo") ?? "";
  const find = (pid: number | "self") => findHierarchies(processFile(pid, "cgroup") ?? "", mounts);
  const [own, other] = [find("self"), find(process.pid)];
  const paths = [...other.own].filter(([name, path]) => own.own.get(name) !== path)
    .map(([, path]) => `${path}/tasks`);
  const { unified } = other;
  if (unified !== undefined && unified.path !== own.unified?.path) {
    paths.push(`${unified.mount}${unified.path}/cgroup.procs`);
  }
  const files = [...new Set(paths)].map((path) =>
    trySyscall("openat", AT_FDCWD, cstring(path), O_WRONLY | O_CLOEXEC, 0)
  );
  if (!process.alive || files.some((fd) => fd === -ERRNO.ENOENT)) {
    throw new Failure("the app has ended");
  }
  const failed = files.find((fd) => fd < 0);
  if (failed !== undefined) throw new KernelError(-failed, "open the cgroups of the app");
  return files;
}
