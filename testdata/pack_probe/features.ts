import { DatabaseSync } from "node:sqlite";

/** What the program's own executable answers, run by itself. */
async function runOurselves(): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["--version", "x"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).args;
}

/** Whether a child of ours has inherited the file that the modules are in. */
async function inheritsModules(): Promise<boolean> {
  const { stdout } = await new Deno.Command("ls", { args: ["-l", "/proc/self/fd"] }).output();
  return new TextDecoder().decode(stdout).includes("memfd:");
}

async function served(): Promise<string> {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response("served");
  });
  return await (await fetch(`http://127.0.0.1:${server.addr.port}/`)).text();
}

/** Uses each thing of Deno that rkt depends on and a packing could break. */
export async function tryFeatures(): Promise<Record<string, unknown>> {
  const libc = Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } });
  const { createHash } = await import("node:crypto");
  const { gzipSync, gunzipSync } = await import("node:zlib");
  using database = new DatabaseSync(":memory:");
  const zipped = gunzipSync(gzipSync(new TextEncoder().encode("zipped")));
  return {
    ffi: libc.symbols.getpid() === Deno.pid,
    sqlite: database.prepare("select 1 + 1 as two").get()?.two,
    hash: createHash("sha512").update("x").digest("hex").slice(0, 8),
    zlib: new TextDecoder().decode(zipped),
    self: await runOurselves(),
    inheritsModules: await inheritsModules(),
    served: await served(),
    date: new Intl.DateTimeFormat("de", { dateStyle: "full", timeZone: "UTC" }).format(0),
  };
}
