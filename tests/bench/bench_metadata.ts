/**
 * How long a pod waits for the metadata service: `deno run -A tests/bench/bench_metadata.ts [SECONDS]`, as root. 200 requests
 * a second from inside a pod, over the network and at the socket.
 */
import assert from "node:assert/strict";
import { request } from "node:http";
import { registeredPod, Service, SOCKET } from "../world/metadata_world.ts";
import { World } from "../world/pod_world.ts";

const RATE = 200;
/** Requests before those that count. */
const WARM = 200;
const PATH = "/acMetadata/v1/pod/uuid";

/** Milliseconds until a request is answered, on a connection of its own. */
function timed(where: { readonly socketPath: string } | { readonly url: string }): Promise<number> {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const answered = (response: import("node:http").IncomingMessage) => {
      response.resume();
      response.on("end", () => {
        if (response.statusCode === 200) resolve(performance.now() - from);
        else reject(new Error(`${response.statusCode}`));
      });
    };
    const asked = "url" in where
      ? request(where.url + PATH, { agent: false }, answered)
      : request({ ...where, path: PATH, agent: false }, answered);
    asked.on("error", reject);
    asked.end();
  });
}

/** In the pod: asks at an even rate, and prints how long each request took. */
async function client(where: string, seconds: number): Promise<void> {
  const target = where.startsWith("/") ? { socketPath: where } : { url: where };
  // What a client's first requests cost is the client's own: its code is loaded then.
  for (let i = 0; i < WARM; i++) await timed(target);
  const from = performance.now();
  const times: Promise<number>[] = [];
  for (let i = 0; i < seconds * RATE; i++) {
    const wait = from + i * 1000 / RATE - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    times.push(timed(target));
  }
  console.log(JSON.stringify(await Promise.all(times)));
}

async function bench(seconds: number): Promise<void> {
  await using world = await World.make();
  await using _service = await Service.start(world);
  const one = await registeredPod(world, "--net=default");
  for (const where of [one.variables.get("AC_METADATA_URL") ?? "", SOCKET]) {
    const { stdout, stderr, success } = await new Deno.Command("nsenter", {
      args: ["-t", `${one.pod.init}`, "--net", "--pid", Deno.execPath()]
        .concat(["run", "-A", import.meta.filename ?? "", "client", where, `${seconds}`]),
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const times: number[] = JSON.parse(new TextDecoder().decode(stdout));
    times.sort((a, b) => a - b);
    const share = (part: number) => `${times[Math.floor(times.length * part)]?.toFixed(2)} ms`;
    const name = where === SOCKET ? "socket" : "network";
    console.log(
      `${name}: ${times.length} requests, median ${share(0.5)}, 95 % ${share(0.95)}, 99 % ${
        share(0.99)
      }`,
    );
  }
  await one.pod.stop();
}

const [mode, where = "", seconds = ""] = Deno.args;
if (mode === "client") await client(where, Number(seconds));
else await bench(Number(mode ?? "10"));
