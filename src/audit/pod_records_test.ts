import { deepStrictEqual, match, ok } from "node:assert/strict";
import { testApp, testPod } from "../../stage1/testing/fake_kernel.ts";
import { appFields, appPrivileges, podAudit, type RecordedApp } from "./pod_records.ts";

const web: RecordedApp = {
  ...{ name: "web", image: "example.com/web", imageId: "sha512-1", signers: ["ab", "cd"] },
};
const to = { journal: true, kernel: true, required: false };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("appFields() names what two apps share once", () => {
  deepStrictEqual(appFields([web, { ...web, name: "other" }]), [
    ["RKT_APP", "web example.com/web sha512-1 ab cd"],
    ["RKT_APP_NAME", "web"],
    ["RKT_IMAGE", "example.com/web"],
    ["RKT_IMAGE_ID", "sha512-1"],
    ["RKT_SIGNER", "ab"],
    ["RKT_SIGNER", "cd"],
    ["RKT_APP", "other example.com/web sha512-1 ab cd"],
    ["RKT_APP_NAME", "other"],
  ]);
});

Deno.test("a start says who, which images and which privileges; its end the pod", () => {
  const app = testApp("web", {
    capabilities: [21],
    mounts: [{
      ...{ volume: "data", source: "/srv", target: "/data", place: "/data", inside: false },
      ...{ readOnly: true, recursive: false, directory: true },
    }],
  });
  const pod = testPod([app], { network: { kind: "host" }, protectPaths: false });
  const { start, end } = podAudit(pod, [web], to);
  const lines = text(start.fields).split("\n");
  for (
    const line of [
      "RKT_RECORD=start",
      `RKT_POD=${pod.uuid}`,
      "RKT_PRIVILEGE=the host's network",
      "RKT_PRIVILEGE=all of /proc and /sys",
      "RKT_PRIVILEGE=web: capabilities CAP_SYS_ADMIN",
      "RKT_PRIVILEGE=web: volume /srv read-only",
      `MESSAGE=Pod ${pod.uuid} starts: web of example.com/web`,
    ]
  ) ok(lines.includes(line), `${line} is not in ${lines.join("\n")}`);
  match(text(end.fields), /RKT_RECORD=end/);
  ok(!text(end.fields).includes("RKT_IMAGE"));
});

Deno.test("the kernel's text has no words of others that its readers could take for fields", () => {
  const { start } = podAudit(testPod([]), [{ ...web, image: "a b\n op=x" }], to);
  match(start.kernel ?? "", / image=6120620a206f703d78 image-id=sha512-1 signer=ab signer=cd$/);
  const long = Array.from({ length: 200 }, (_, i) => ({ ...web, name: `app-${i}` }));
  const cut = podAudit(testPod([]), long, to).start.kernel ?? "";
  deepStrictEqual([cut.length, cut.slice(-3)], [8003, "..."]);
});

Deno.test("appPrivileges() says nothing of an app that has the defaults", () => {
  deepStrictEqual(
    appPrivileges(testApp("plain", { mounts: [], capabilities: [], limits: {} })).filter((each) =>
      !each.includes("system calls")
    ),
    [],
  );
});
