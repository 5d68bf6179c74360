/** User namespaces for mounts of OCI containers that show their files with other owners (mount_setattr(2), ID-mapped mounts). */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { runInProcess } from "../../stage1/engine/in_process.ts";
import { namespacePlan } from "../pod/make/private_users.ts";
import { keepOpen } from "./kept_descriptors.ts";
import { mapText } from "./resolve_namespaces.ts";
import type { LinuxSpec, MountSpec } from "./spec.ts";

/**
 * Makes a user namespace with the maps of a mount, else of the container, and leaves it open.
 *
 * @param as the descriptor's number
 */
export function mappedUsers(mount: MountSpec, linux: LinuxSpec, as: number): number {
  const own = mount.uidMappings.length > 0 && mount.gidMappings.length > 0;
  const { uidMappings, gidMappings } = own ? mount : linux;
  if (uidMappings.length === 0 || gidMappings.length === 0) {
    throw new Failure(
      `config.json: mounts: ${mount.destination}: idmap without uidMappings and gidMappings`,
      1,
    );
  }
  const { plan, child } = namespacePlan(k.CLONE_NEWUSER);
  const pid = Number(runInProcess(plan)(child));
  if (pid < 0) throw new Failure("this kernel makes no user namespace", 1);
  try {
    Deno.writeTextFileSync(`/proc/${pid}/uid_map`, mapText(uidMappings));
    Deno.writeTextFileSync(`/proc/${pid}/gid_map`, mapText(gidMappings));
    const path = cstring(`/proc/${pid}/ns/user`);
    const fd = syscall("open the user namespace", "openat", k.AT_FDCWD, path, k.O_CLOEXEC, 0);
    keepOpen("keep the user namespace", fd, as);
    return as;
  } finally {
    trySyscall("kill", pid, k.SIGKILL);
    trySyscall("wait4", pid, 0, 0, 0);
  }
}
