import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { PodView } from "../../pod/directory/pod_directory.ts";
import type { AppSummary, PodSummary } from "../../pod/view/pod_summary.ts";
import { jsonText } from "./json.ts";
import { networksText, podJson, portsText } from "./pod_json.ts";

const pod: PodView = { uuid: "c0ffee00", stage: "run", state: "running", path: "/p" };
const app: AppSummary = {
  name: "web",
  state: "exited",
  createdAt: 1_500,
  startedAt: undefined,
  finishedAt: 2_000,
  exitCode: 3,
  imageId: "sha512-1",
  imageName: "example.com/web",
  imageVersion: "1.0",
  mounts: [
    { name: "data", containerPath: "/data", hostPath: "/srv", readOnly: true },
    { name: "cache", containerPath: "/cache", hostPath: undefined, readOnly: false },
  ],
  userAnnotations: { a: "1" },
  userLabels: {},
  restarts: 0,
  oomKills: 2,
};
const summary: PodSummary = {
  name: undefined,
  createdAt: 1_999,
  startedAt: undefined,
  networks: [],
  ports: [{ name: "web", hostPort: 8080 }],
  apps: [app],
  userAnnotations: {},
  userLabels: { l: "2" },
};
const parsed = (...words: Parameters<typeof podJson>) =>
  JSON.parse(jsonText(podJson(...words), false));

Deno.test("podJson(): apps in nanoseconds, pods in seconds; what is empty is left out", () => {
  deepStrictEqual(parsed(pod, summary), {
    name: "c0ffee00",
    state: "running",
    app_names: ["web"],
    apps: [{
      name: "web",
      state: "exited",
      created_at: 1_500_000_000,
      finished_at: 2_000_000_000,
      exit_code: 3,
      image_id: "sha512-1",
      mounts: [
        { name: "data", container_path: "/data", host_path: "/srv", read_only: true },
        { name: "cache", container_path: "/cache", host_path: "", read_only: false },
      ],
      user_annotations: { a: "1" },
      oom_kills: 2,
    }],
    created_at: 1,
    user_labels: { l: "2" },
    ports: [{ name: "web", host_port: 8080 }],
  });
});

Deno.test("podJson(): a pod without a manifest, and what a pod uses", () => {
  const { apps: _, ...rest } = summary;
  const usage = { processes: 3, memory: 4096, cpu: 1.5 };
  const { usage: used, apps, app_names } = parsed(pod, { ...rest, apps: undefined }, usage);
  deepStrictEqual(used, { processes: 3, memory_bytes: 4096, cpu_nanoseconds: 1_500_000 });
  deepStrictEqual([apps, app_names], [undefined, undefined]);
});

Deno.test("networks and ports in a cell, with addresses of both kinds", () => {
  const of = (netName: string, ip: string) => ({
    ...{ netName, ip, netConf: "", pluginPath: "ptp", ifName: "eth0", args: "", mask: "" },
  });
  const networks = [of("default", "172.16.28.2"), of("six", "fd00::2")];
  strictEqual(networksText(networks), "default:ip4=172.16.28.2, six:ip6=fd00::2");
  const ports = [
    { name: "web", hostPort: 8080 },
    { name: "dns", hostPort: 53, hostIp: "::1" },
    { name: "ssh", hostPort: 22, hostIp: "192.0.2.1" },
  ];
  strictEqual(portsText(ports), "web:8080, dns:[::1]:53, ssh:192.0.2.1:22");
});
