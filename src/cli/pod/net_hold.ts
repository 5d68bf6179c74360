import { Failure } from "../../failure.ts";
import { isNamespaceRoot } from "../../linux/own_users.ts";
import { syscall } from "../../linux/syscall.ts";
import { callingUser } from "../../rootless/calling_user.ts";
import { HELD_NAMESPACE, holderPlan } from "../../rootless/hold_network.ts";
import { makePastaNetwork } from "../../rootless/pasta.ts";
import { enterScope } from "../../rootless/scope.ts";
import { holderFile, membersDirectory } from "../../rootless/shared_network.ts";
import { absolute } from "../../start/absolute.ts";
import { becomeProgram } from "../../../stage1/engine/execute.ts";
import { program } from "../../../stage1/engine/launch.ts";
import type { Invocation } from "../grammar/command.ts";

/** `rkt net-hold`: run by the start of the first pod in the network, which waits for it. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const [uuid = ""] = args;
  const uid = callingUser();
  if (uid === undefined || !isNamespaceRoot()) throw new Failure("it is for users other than root");
  const dataDir = absolute(global.dir);
  // Of no pod's unit, which would end it for the others. Without the user's systemd it stays where it is.
  await enterScope(uid, "rkt: the network of the user's pods");
  const { namespace, files } = await makePastaNetwork({ uuid, dataDir, forwards: [] });
  Deno.mkdirSync(membersDirectory(dataDir), { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(holderFile(dataDir), `${uuid}\n`, { mode: 0o600 });
  syscall("keep the network", "dup3", namespace, HELD_NAMESPACE, 0);
  becomeProgram(program(holderPlan(dataDir, files)), "rkt-network");
}
