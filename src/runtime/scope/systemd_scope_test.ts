import { deepStrictEqual, throws } from "node:assert/strict";
import { variant } from "../../dbus/value.ts";
import { allRules } from "../device_rules.ts";
import { readResources } from "../resources.ts";
import { deviceProperties, limitProperties } from "./systemd_properties.ts";
import { expectedPath, scopeName } from "./systemd_scope.ts";

Deno.test("a path of systemd's form names a slice and a scope", () => {
  deepStrictEqual(scopeName("machine.slice:libpod:1234", "x"), {
    slice: "machine.slice",
    unit: "libpod-1234.scope",
  });
  deepStrictEqual(scopeName("a-b.slice::one", "x"), { slice: "a-b.slice", unit: "one.scope" });
  deepStrictEqual(scopeName(undefined, "x").unit, "rkt-oci-x.scope");
  for (const path of ["/a/b", "a:b", "a:b:c:d", "a::b", "a.slice:b:", "a.slice:../b:c"]) {
    throws(() => scopeName(path, "x"), /SLICE:PREFIX:NAME/, path);
  }
});

Deno.test("a slice is below those that its name begins with", () => {
  const unit = "x.scope";
  deepStrictEqual(
    expectedPath({ slice: "kubepods-besteffort-pod1.slice", unit }),
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/x.scope",
  );
  deepStrictEqual(expectedPath({ slice: "-.slice", unit }), "/x.scope");
});

Deno.test("limits are properties too, as systemd counts them", () => {
  const resources = {
    memory: { limit: 1 << 20, swap: 3 << 20, reservation: -1 },
    cpu: { quota: 12345, period: 100000, shares: 1024, cpus: "0,9" },
    pids: { limit: -1 },
    unified: { "memory.high": "4096" },
  };
  deepStrictEqual(Object.fromEntries(limitProperties(readResources(resources, 2).settings)), {
    MemoryMax: variant("t", 1n << 20n),
    MemorySwapMax: variant("t", 2n << 20n),
    MemoryLow: variant("t", 2n ** 64n - 1n),
    MemoryHigh: variant("t", 4096n),
    CPUWeight: variant("t", 39n),
    // 123.45 ms a second, in steps of 10 ms.
    CPUQuotaPerSecUSec: variant("t", 130_000n),
    CPUQuotaPeriodUSec: variant("t", 100_000n),
    AllowedCPUs: variant("ay", Uint8Array.of(1, 2)),
    TasksMax: variant("t", 2n ** 64n - 1n),
  });
});

Deno.test("devices are allowed by systemd as well, so that it does not allow all when it sets up anew", () => {
  const properties = Object.fromEntries(
    deviceProperties(allRules([{ allow: true, type: "b", major: 8, minor: 1, access: "r" }])),
  );
  deepStrictEqual(properties.DevicePolicy, variant("s", "strict"));
  const allowed = JSON.stringify(properties.DeviceAllow);
  for (const rule of ["/dev/block/8:1", "/dev/char/1:3", "char-pts", "char-*"]) {
    deepStrictEqual(allowed.includes(`"${rule}"`), true, rule);
  }
  deepStrictEqual(deviceProperties(allRules([{ allow: true, type: "a", access: "rwm" }])), [
    ["DevicePolicy", variant("s", "auto")],
  ]);
});
