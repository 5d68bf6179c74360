import { Failure } from "../../failure.ts";
import { readRecord } from "../../net/pod/net_info.ts";
import { POD_NAMESPACE } from "../../net/kernel/namespace.ts";
import { takeDownNetworks } from "../../net/pod/take_down.ts";
import type { Invocation } from "../grammar/command.ts";

/** `rkt net-teardown`: run by the supervisor of a pod that has ended, which still holds its lock and namespace. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const [uuid = ""] = args;
  const place = { uuid, dataDir: global.dir, localConfig: global.localConfig };
  const netns = `/proc/${Deno.ppid}/fd/${POD_NAMESPACE}`;
  const [first, ...others] = await takeDownNetworks(place, readRecord(place), netns);
  if (first === undefined) return 0;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new Failure(`pod "${uuid}": ${first}${more}; \`rkt gc\` tries again`);
}
