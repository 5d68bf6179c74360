import { equal } from "node:assert/strict";
import { SOL_SOCKET } from "../linux/early_constants.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { trySyscall } from "../linux/syscall.ts";
import { listenAtPath } from "./listening.ts";

/** include/uapi/asm-generic/socket.h; since Linux 6.16 */
const SO_PASSRIGHTS = 83;
/** include/uapi/asm-generic/errno.h: the kernel does not know the option. */
const ENOPROTOOPT = 92;

Deno.test("nobody can send descriptors to a socket of the service, where the kernel can refuse them", () => {
  const directory = Deno.makeTempDirSync();
  const { fd } = listenAtPath(`${directory}/socket`, 0o600);
  const [value, length] = [new Uint32Array([1]), new Uint32Array([4])];
  const bytes = [value, length].map(({ buffer }) => new Uint8Array(buffer));
  const [taken = new Uint8Array(), size = new Uint8Array()] = bytes;
  const result = trySyscall("getsockopt", fd, SOL_SOCKET, SO_PASSRIGHTS, taken, size);
  closeDescriptor(fd);
  Deno.removeSync(directory, { recursive: true });
  if (result !== -ENOPROTOOPT) equal(`${result} ${value[0]}`, "0 0");
});
