/**
 * A client of Kubernetes' Container Runtime Interface by gRPC's own library for JavaScript, as a kubelet is one:
 *
 *     deno run -A cri_grpc.ts SOCKET
 *
 * Each line of its input is a request in JSON, each line of its output the answer: `{"call":"Version","request":{}}` a call of the
 * interface, `{"stream":URL,"input":"…"}` a session of `Exec` or `Attach` at the URL that the call gave; with `"last":"…"` its input is
 * sent again and again until it has said something, and this follows.
 */

/** The messages as far as tests use them; fields have the numbers of k8s.io/cri-api, pkg/apis/runtime/v1. */
const PROTO = `syntax = "proto3";
package runtime.v1;
service RuntimeService {
  rpc Version(Nothing) returns (VersionReply);
  rpc RunPodSandbox(RunPodSandboxRequest) returns (Sandbox);
  rpc StopPodSandbox(Sandbox) returns (Nothing);
  rpc RemovePodSandbox(Sandbox) returns (Nothing);
  rpc CreateContainer(CreateContainerRequest) returns (Container);
  rpc StartContainer(Container) returns (Nothing);
  rpc StopContainer(StopContainerRequest) returns (Nothing);
  rpc RemoveContainer(Container) returns (Nothing);
  rpc ContainerStatus(Container) returns (ContainerStatusReply);
  rpc UpdateContainerResources(UpdateRequest) returns (Nothing);
  rpc ExecSync(ExecSyncRequest) returns (ExecSyncReply);
  rpc Exec(ExecRequest) returns (Place);
  rpc Attach(AttachRequest) returns (Place);
  rpc ContainerStats(Container) returns (ContainerStatsReply);
}
service ImageService {
  rpc ImageStatus(ImageStatusRequest) returns (ImageStatusReply);
}
message Nothing {}
message VersionReply { string version = 1; string runtime_name = 2; }
message Sandbox { string pod_sandbox_id = 1; }
message Container { string container_id = 1; }
message Place { string url = 1; }
message Int64Value { int64 value = 1; }
message UInt64Value { uint64 value = 1; }
message PodSandboxMetadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
enum NamespaceMode { POD = 0; CONTAINER = 1; NODE = 2; TARGET = 3; }
message NamespaceOption { NamespaceMode network = 1; NamespaceMode pid = 2; NamespaceMode ipc = 3; string target_id = 4; }
enum ProfileType { RuntimeDefault = 0; Unconfined = 1; Localhost = 2; }
message SecurityProfile { ProfileType profile_type = 1; string localhost_ref = 2; }
message LinuxSandboxSecurityContext {
  NamespaceOption namespace_options = 1; Int64Value run_as_user = 3; bool readonly_rootfs = 4;
  repeated int64 supplemental_groups = 5; bool privileged = 6; Int64Value run_as_group = 8; SecurityProfile seccomp = 9;
}
message LinuxPodSandboxConfig {
  string cgroup_parent = 1; LinuxSandboxSecurityContext security_context = 2; map<string, string> sysctls = 3;
}
message DNSConfig { repeated string servers = 1; repeated string searches = 2; repeated string options = 3; }
message PodSandboxConfig {
  PodSandboxMetadata metadata = 1; string hostname = 2; string log_directory = 3; DNSConfig dns_config = 4;
  map<string, string> labels = 6; map<string, string> annotations = 7; LinuxPodSandboxConfig linux = 8;
}
message RunPodSandboxRequest { PodSandboxConfig config = 1; string runtime_handler = 2; }
message ContainerMetadata { string name = 1; uint32 attempt = 2; }
message ImageSpec { string image = 1; }
message KeyValue { string key = 1; string value = 2; }
enum MountPropagation { PROPAGATION_PRIVATE = 0; PROPAGATION_HOST_TO_CONTAINER = 1; PROPAGATION_BIDIRECTIONAL = 2; }
message Mount { string container_path = 1; string host_path = 2; bool readonly = 3; MountPropagation propagation = 5; }
message Device { string container_path = 1; string host_path = 2; string permissions = 3; }
message LinuxContainerResources {
  int64 cpu_period = 1; int64 cpu_quota = 2; int64 cpu_shares = 3; int64 memory_limit_in_bytes = 4; int64 oom_score_adj = 5;
  string cpuset_cpus = 6; string cpuset_mems = 7; map<string, string> unified = 9;
}
message Capability { repeated string add_capabilities = 1; repeated string drop_capabilities = 2; }
message LinuxContainerSecurityContext {
  Capability capabilities = 1; bool privileged = 2; NamespaceOption namespace_options = 3; Int64Value run_as_user = 5;
  string run_as_username = 6; bool readonly_rootfs = 7; repeated int64 supplemental_groups = 8; bool no_new_privs = 11;
  Int64Value run_as_group = 12; repeated string masked_paths = 13; repeated string readonly_paths = 14; SecurityProfile seccomp = 15;
}
message LinuxContainerConfig { LinuxContainerResources resources = 1; LinuxContainerSecurityContext security_context = 2; }
message ContainerConfig {
  ContainerMetadata metadata = 1; ImageSpec image = 2; repeated string command = 3; repeated string args = 4; string working_dir = 5;
  repeated KeyValue envs = 6; repeated Mount mounts = 7; repeated Device devices = 8; string log_path = 11; bool stdin = 12;
  bool stdin_once = 13; bool tty = 14; LinuxContainerConfig linux = 15;
}
message CreateContainerRequest { string pod_sandbox_id = 1; ContainerConfig config = 2; PodSandboxConfig sandbox_config = 3; }
message StopContainerRequest { string container_id = 1; int64 timeout = 2; }
enum ContainerState { CONTAINER_CREATED = 0; CONTAINER_RUNNING = 1; CONTAINER_EXITED = 2; CONTAINER_UNKNOWN = 3; }
message ContainerStatus { string id = 1; ContainerState state = 3; int32 exit_code = 7; string reason = 10; }
message ContainerStatusReply { ContainerStatus status = 1; }
message UpdateRequest { string container_id = 1; LinuxContainerResources linux = 2; }
message ExecSyncRequest { string container_id = 1; repeated string cmd = 2; int64 timeout = 3; }
message ExecSyncReply { bytes stdout = 1; bytes stderr = 2; int32 exit_code = 3; }
message ExecRequest { string container_id = 1; repeated string cmd = 2; bool tty = 3; bool stdin = 4; bool stdout = 5; bool stderr = 6; }
message AttachRequest { string container_id = 1; bool stdin = 2; bool tty = 3; bool stdout = 4; bool stderr = 5; }
message CpuUsage { int64 timestamp = 1; UInt64Value usage_core_nano_seconds = 2; }
message MemoryUsage { int64 timestamp = 1; UInt64Value working_set_bytes = 2; }
message ContainerStats { CpuUsage cpu = 2; MemoryUsage memory = 3; }
message ContainerStatsReply { ContainerStats stats = 1; }
message ImageStatusRequest { ImageSpec image = 1; }
message Image { string id = 1; }
message ImageStatusReply { Image image = 1; }
`;

/** As far as they are used here, and typed; see testdata/grpc. */
interface Grpc {
  readonly credentials: { createInsecure(): unknown };
  loadPackageDefinition(definition: unknown): {
    readonly runtime: {
      readonly v1: { readonly RuntimeService: Service; readonly ImageService: Service };
    };
  };
}
type Service = new (address: string, credentials: unknown) => Readonly<
  Record<string, (request: object, done: Done) => void>
>;
type Done = (
  error: { readonly code: number; readonly details: string } | null,
  reply: unknown,
) => void;
interface Loader {
  loadSync(path: string, options: Readonly<Record<string, unknown>>): unknown;
}

// Not by their names alone: they would be libraries of the whole project then.
const library = (name: string) => import(`@grpc/${name}`);
const grpc: Grpc = await library("grpc-js");
const { loadSync }: Loader = await library("proto-loader");

const [socket = ""] = Deno.args;
const file = Deno.makeTempFileSync({ suffix: ".proto" });
Deno.writeTextFileSync(file, PROTO);
const definition = loadSync(file, { keepCase: true, longs: Number, enums: String, defaults: true });
Deno.removeSync(file);
const { RuntimeService, ImageService } = grpc.loadPackageDefinition(definition).runtime.v1;
const runtime = new RuntimeService(`unix://${socket}`, grpc.credentials.createInsecure());
const images = new ImageService(`unix://${socket}`, grpc.credentials.createInsecure());

/** Bytes as text: what tests write is text. */
const readable = (_name: string, value: unknown): unknown => {
  const isBytes = typeof value === "object" && value !== null && "type" in value &&
    value.type === "Buffer" && "data" in value && Array.isArray(value.data);
  return isBytes ? new TextDecoder().decode(Uint8Array.from(Object(value).data)) : value;
};

const call = (name: string, request: object): Promise<unknown> =>
  new Promise((resolve) => {
    const done: Done = (error, reply) =>
      resolve(error === null ? { reply } : { code: error.code, error: error.details });
    if (name in images) images[name]?.(request, done);
    else runtime[name]?.(request, done);
  });

/** Milliseconds until an input is sent again. */
const PATIENCE = 200;

/** The channels of a session in the protocol of Kubernetes over WebSockets: a message's first byte says which. */
const CHANNELS = ["stdin", "stdout", "stderr", "error"] as const;

function stream(url: string, input: string | undefined, last?: string): Promise<unknown> {
  const said: Record<string, string> = {};
  let again: ReturnType<typeof setInterval> | undefined;
  const session = new WebSocket(url.replace(/^http/, "ws"), ["v4.channel.k8s.io"]);
  session.binaryType = "arraybuffer";
  return new Promise((resolve) => {
    const send = (text: string) =>
      session.send(Uint8Array.from([0, ...new TextEncoder().encode(text)]));
    session.onopen = () => {
      if (input === undefined) return;
      send(input);
      if (last !== undefined) again = setInterval(() => send(input), PATIENCE);
    };
    session.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data);
      const channel = CHANNELS[bytes[0] ?? 0] ?? "other";
      said[channel] = (said[channel] ?? "") + new TextDecoder().decode(bytes.subarray(1));
      if (again !== undefined && last !== undefined) {
        clearInterval(again);
        again = undefined;
        send(last);
      }
      // The status of a process is the last that is said; some servers leave the connection open.
      if (channel === "error") session.close();
    };
    session.onclose = () => {
      clearInterval(again);
      resolve({ reply: said });
    };
    session.onerror = () => resolve({ code: -1, error: "the session has failed" });
  });
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = "";
for await (const text of lines) {
  const whole = (rest + text).split("\n");
  rest = whole.pop() ?? "";
  for (const line of whole) {
    const asked = JSON.parse(line);
    const answer = "stream" in asked
      ? await stream(asked.stream, asked.input, asked.last)
      : await call(asked.call, asked.request);
    console.log(JSON.stringify(answer, readable));
  }
}
Deno.exit(0);
