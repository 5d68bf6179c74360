import assert from "node:assert/strict";
import { closeDescriptor, openDirectory, setCloseOnExec } from "../../linux/lock.ts";
import { openProcess } from "../../linux/process.ts";
import { createPod, openPod } from "../directory/pod_directory.ts";
import { signalPod } from "./stop_pod.ts";

Deno.test("signalPod() sends a signal to the holder of the lock, and not to who has its PID", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    using pod = createPod(dir);
    pod.toPrepare();
    pod.toRun();
    const sleeper = () => new Deno.Command("sleep", { args: ["1000"], stdin: "null" }).spawn();
    setCloseOnExec(pod.lockFd, true);
    const innocent = sleeper();
    setCloseOnExec(pod.lockFd, false); // the next one inherits the lock, as a supervisor does
    const supervisor = sleeper();
    const note = (pid: number) => Deno.writeTextFileSync(`${pod.path}/ppid`, `${pid}\n`);
    note(innocent.pid);
    assert.equal(signalPod(dir, openPod(dir, pod.uuid), "SIGKILL"), false);
    using pinned = openProcess(innocent.pid);
    assert.ok(pinned?.alive);
    // Who only has the directory open holds no lock.
    const directory = openDirectory(pod.path);
    setCloseOnExec(directory, false);
    setCloseOnExec(pod.lockFd, true);
    const reader = sleeper();
    closeDescriptor(directory);
    note(reader.pid);
    assert.equal(signalPod(dir, openPod(dir, pod.uuid), "SIGKILL"), false);
    reader.kill("SIGTERM");
    assert.equal((await reader.status).signal, "SIGTERM", "it was alive until now");
    note(supervisor.pid);
    assert.equal(signalPod(dir, openPod(dir, pod.uuid), "SIGTERM"), true);
    assert.equal((await supervisor.status).signal, "SIGTERM");
    innocent.kill("SIGKILL");
    assert.equal((await innocent.status).signal, "SIGKILL", "it was alive until now");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
