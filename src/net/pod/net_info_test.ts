import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  linkRecord,
  type NetInfo,
  readRecord,
  recordedPods,
  recordPath,
  removeRecord,
  unlinkRecord,
  writeRecord,
} from "./net_info.ts";

const info: NetInfo = {
  ...{
    netName: "default",
    netConf: "",
    pluginPath: "ptp",
    ifName: "eth0",
    ip: "",
    args: "",
    mask: "",
  },
  ...{ ips: [], cniVersion: "1.0.0", called: [] },
};
const UUID = "c0ffee00-0000-4000-8000-000000000000";

Deno.test("the record of a pod's networks has two names, and survives the loss of either", () => {
  const dataDir = Deno.makeTempDirSync({ prefix: "rkt-net-info-" });
  try {
    const pod = { dataDir, uuid: UUID };
    deepStrictEqual([readRecord(pod), recordedPods(dataDir)], [[], []]);
    writeRecord(pod, [info]); // the directory is not there yet
    deepStrictEqual([readRecord(pod), recordedPods(dataDir)], [[info], [UUID]]);
    strictEqual(Deno.statSync(recordPath(pod)).mode ?? 0 & 0o777, 0o100640);
    Deno.mkdirSync(`${dataDir}/pod`);
    linkRecord(pod, `${dataDir}/pod`);
    linkRecord(pod, `${dataDir}/pod`); // once more, as a run that failed has left one
    strictEqual(Deno.statSync(`${dataDir}/pod/net-info.json`).nlink, 2);
    unlinkRecord(`${dataDir}/pod`);
    unlinkRecord(`${dataDir}/pod`);
    deepStrictEqual(readRecord(pod), [info]);
    Deno.writeTextFileSync(`${dataDir}/networks/.other.tmp`, "");
    deepStrictEqual(recordedPods(dataDir), [UUID]);
    Deno.writeTextFileSync(recordPath(pod), '[{"netName":');
    deepStrictEqual(readRecord(pod), [], "half a record");
    removeRecord(pod);
    removeRecord(pod);
    deepStrictEqual(recordedPods(dataDir), []);
  } finally {
    Deno.removeSync(dataDir, { recursive: true });
  }
});
