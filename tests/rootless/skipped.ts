/** Which tests of root's suites a user other than root does not pass, and why: no test is left out without a reason. */

/** What a user has been given: ranges of users for his namespaces, or nothing. */
export const MODES = ["range", "one"] as const;
export type Mode = (typeof MODES)[number];

/** The files of the suites, below tests. */
export const SUITE: readonly string[] = ["pods", "isolation"].flatMap((folder) =>
  Array.from(Deno.readDirSync(new URL(`../${folder}`, import.meta.url)), ({ name }) => name)
    .filter((name) => name.endsWith("_test.ts")).sort().map((name) => `${folder}/${name}`)
);

/** Tests that are left out. */
export interface Skipped {
  readonly file: string;
  /** How their names begin; `all` of the file. */
  readonly tests: string;
  readonly why: string;
  /** In one mode only. */
  readonly mode?: Mode;
}

const FLY = "the flavor fly needs root";
const LIMITS = "a user has no cgroups of version 1, and a limit that is asked for is refused";
const SERVICE = "the metadata service is root's";
const ONE = "with one user every app is root, and every file is root's";
const NAMESPACES = "a user's pods have a user namespace, too";
const TABLE =
  "the table is that of the host's root: a namespace's may not write to sysctls, nor make nodes, nor raise priorities";
const FOREIGN = "the test compares files of owners whom the user has not been given";

const OWN_USERS = "with one user there are no others for pods (--private-users)";
const COUNTS =
  "the test counts in the host's users, or reads cgroups of the host: tests/rootless/userns_test.ts has what a user gets";

export const SKIPPED: readonly Skipped[] = [
  { file: "isolation/cgroup_test.ts", tests: "all", why: LIMITS },
  {
    file: "isolation/chroot_test.ts",
    tests: "all",
    why: "the kernel makes no user namespace for who is in a chroot (user_namespaces(7))",
  },
  ...["what rkt makes is root's alone", "a data directory that others can write to"].map((
    tests,
  ): Skipped => ({
    ...{ file: "isolation/data_directory_test.ts", tests },
    why: "a user's data are the user's, and believed by nobody else",
  })),
  {
    file: "isolation/host_files_test.ts",
    tests: "image extract and render leave out",
    why: "users can't make device nodes",
  },
  {
    file: "isolation/host_files_test.ts",
    tests: "directories of configuration are for nobody",
    why: "a user's keys are in his own configuration, and --local-config is the administrator's",
  },
  ...[
    "an app has the limits that were asked for",
    "who enters an app has its limits",
    "limits that can't be had",
  ].map((
    tests,
  ): Skipped => ({
    ...{ file: "isolation/limits_test.ts", tests, mode: "one", why: OWN_USERS },
  })),
  {
    file: "isolation/limits_test.ts",
    tests: "limits of a disk stand in",
    why: "users have no cgroups of version 1",
  },
  { file: "isolation/private_users_test.ts", tests: "all", mode: "one", why: OWN_USERS },
  ...[
    "run --private-users",
    "the pod's namespaces belong",
    "the pod's root has no power",
    "an empty volume is its owner's",
    "each pod has a range",
    "a prepared pod runs with the users",
    "limits, scores and devices",
    "rkt enter comes into",
    "a pod with users of its own leaves nothing",
  ].map((tests): Skipped => ({
    ...{ file: "isolation/private_users_test.ts", tests, mode: "range", why: COUNTS },
  })),
  ...["what of a kind is passed", "an app of a port that is socket-activated"].map((
    tests,
  ): Skipped => ({
    ...{ file: "pods/activation_test.ts", tests, mode: "one", why: OWN_USERS },
  })),
  {
    file: "pods/activation_test.ts",
    tests: "a start with descriptors is kept",
    why: "a start with pasta's network, which it also tries, is not kept",
  },
  {
    file: "pods/app_place_test.ts",
    tests: "what a killed shim has left",
    why: "an app of another user is root too, so it dies with its shim",
    mode: "one",
  },
  {
    file: "isolation/run_isolation_test.ts",
    tests: "--insecure-options=capabilities leaves all",
    why: "the test compares with its own capabilities, which are not those of a namespace's root",
  },
  {
    file: "isolation/run_isolation_test.ts",
    tests: "an app has no way to mount",
    why: "mknod(2) is refused, so what is written to is a plain file",
  },
  {
    file: "isolation/run_isolation_test.ts",
    tests: "a pod has its own namespaces",
    why: NAMESPACES,
  },
  ...["run --user=", "an app of another user has none"].map((tests): Skipped => ({
    ...{ file: "isolation/run_isolation_test.ts", tests, mode: "one", why: ONE },
  })),
  ...["an app can do what", "each capability allows", "a capability that is retained"].map((
    tests,
  ): Skipped => ({
    ...{ file: "isolation/probes_test.ts", tests, why: TABLE },
  })),
  { file: "isolation/probes_test.ts", tests: "--insecure-options open", why: TABLE },
  ...["an app of another user can", "with no-new-privileges"].map((tests): Skipped => ({
    ...{ file: "isolation/probes_test.ts", tests, mode: "one", why: ONE },
  })),
  { file: "pods/export_test.ts", tests: "an exported root is as", mode: "one", why: ONE },
  { file: "pods/prepare_test.ts", tests: "a prepared pod is run as", mode: "one", why: ONE },
  {
    file: "pods/chaos_test.ts",
    tests: "commands beside each other, with KILLs",
    why: "networks of net.d are root's",
  },
  { file: "pods/fly_test.ts", tests: "all", why: FLY },
  { file: "pods/flavors_test.ts", tests: "fly: ", why: FLY },
  {
    file: "pods/flavors_test.ts",
    tests: "an external stage1 image: ",
    why: "its bwrap is setuid root's",
  },
  {
    file: "pods/flavors_test.ts",
    tests: "namespaces: ",
    why: LIMITS,
  },
  { file: "pods/identity_test.ts", tests: "all", why: SERVICE },
  { file: "pods/metadata_test.ts", tests: "all", why: SERVICE },
  {
    file: "isolation/stream_files_test.ts",
    tests: "an app of root adds to the caller's files and changes nothing else --private-users",
    mode: "one",
    why: OWN_USERS,
  },
  {
    file: "pods/pods_test.ts",
    tests: "gc deletes a hostile pod",
    why: "what root has mounted in a user's pod is root's to take away: it stays, and is said",
  },
  { file: "pods/root_directory_test.ts", tests: "all", mode: "one", why: ONE },
  {
    file: "pods/run_again_test.ts",
    tests: "a kept start that is damaged",
    why: "a user's starts with users of the pod's own, which it tries, are not kept",
  },
  { file: "pods/run_again_test.ts", tests: "each run with users of the pod's own", why: COUNTS },
  {
    file: "pods/run_volumes_test.ts",
    tests: "an empty volume has the mode",
    mode: "one",
    why: ONE,
  },
  {
    file: "pods/run_volumes_test.ts",
    tests: "mounts below a volume come with it",
    why: "the kernel shows no user what a mount of the host's covers (mount_namespaces(7))",
  },
  {
    file: "pods/several_apps_test.ts",
    tests: "apps of a pod have flags of their own",
    mode: "one",
    why: ONE,
  },
  {
    file: "pods/socket_activate_test.ts",
    tests: "a pod for each connection, which is its input and output: --private-users",
    mode: "one",
    why: OWN_USERS,
  },
  ...[
    "a repeated start loads nothing",
    "--rm executes the rkt that is at its path",
  ].map((tests): Skipped => ({
    ...{ file: "pods/start_cache_test.ts", tests },
    why:
      "what the test takes for rkt is a program that becomes the user (starts_test.ts has the first)",
  })),
  {
    file: "pods/start_cache_test.ts",
    tests: "a start from another cgroup",
    why: "users have no cgroups of version 1",
  },
  {
    file: "pods/start_cache_test.ts",
    tests: "--dry-run says what a repeated start asks first",
    mode: "one",
    why: OWN_USERS,
  },
  ...[
    "a user is called what passwd says",
    "--caps-retain gives capabilities to a user",
    "file capabilities (and setuid) work",
    "in a network of the pod's own any user listens",
    "a user opens /dev/stdout",
  ].map((tests): Skipped => ({ file: "pods/users_test.ts", tests, mode: "one", why: ONE })),
  {
    file: "pods/users_test.ts",
    tests: "in a network of the pod's own any user listens",
    mode: "range",
    why: "groups beyond the range may not ping, so the kernel takes no range with them",
  },
  {
    file: "pods/users_test.ts",
    tests: "a user opens /dev/stdout",
    mode: "range",
    why: "the caller's pipes are the test's, which is root",
  },
  {
    file: "pods/validator_test.ts",
    tests: "the validator complains of nothing in a pod that has registered",
    why: SERVICE,
  },
  {
    file: "pods/validator_test.ts",
    tests:
      "the validator complains of nothing but the metadata service where there is none: --private-users",
    mode: "one",
    why: OWN_USERS,
  },
  {
    file: "pods/volume_places_test.ts",
    tests: "the host's /sys, /dev and /sys/fs/cgroup are volumes",
    mode: "one",
    why: OWN_USERS,
  },
  {
    file: "pods/logs_test.ts",
    tests: "a full disk loses log data",
    why: "what the test mounts is not in the mounts that the user's rkt has",
  },
  {
    file: "pods/app_commands_test.ts",
    tests: "an added app is confined like one that was there",
    mode: "one",
    why: OWN_USERS,
  },
  { file: "pods/stage1_test.ts", tests: "all", why: "external stage1 images need the host's root" },
  ...["a start that fails leaves no pod", "a process that a plugin leaves behind"].map((
    tests,
  ): Skipped => ({
    ...{ file: "pods/operator_test.ts", tests, why: "plugins of networks take the host's root" },
  })),
  ...["commands work from a directory that is gone", "what rkt can't do without"].map((
    tests,
  ): Skipped => ({
    ...{ file: "pods/operator_test.ts", tests },
    why: "the shell that becomes the user is what says it first",
  })),
  {
    file: "pods/notify_test.ts",
    tests: "an app whose image says that it can speaks for itself",
    mode: "one",
    why: OWN_USERS,
  },
  ...["a path --private-users", "an abstract name --private-users"].map((tests): Skipped => ({
    file: "pods/notify_test.ts",
    tests: `READY once all apps run, STOPPING when asked to: ${tests}`,
    mode: "one",
    why: OWN_USERS,
  })),
  { file: "pods/kill_test.ts", tests: "the same with the flavor fly", why: FLY },
  {
    file: "pods/kill_test.ts",
    tests:
      "the same at each system call that the launcher and the supervisor make with --flavor=fly",
    why: FLY,
  },
  {
    file: "pods/kill_test.ts",
    tests:
      "the same at each system call that the launcher and the supervisor make with --private-users",
    why: "such starts of users are not kept, so there is no launcher's",
  },
  {
    file: "pods/enter_test.ts",
    tests: "enter --privileged gives all capabilities",
    why: "the test compares with its own capabilities, which are not those of a namespace's root",
  },
  {
    file: "pods/enter_test.ts",
    tests: "an entered command is confined like the app: --user=www",
    why: "an app of another user has an empty bounding set, and who enters is the pod's root",
    mode: "one",
  },
  { file: "pods/cp_test.ts", tests: "cp keeps modes, owners", why: FOREIGN },
  { file: "pods/cp_test.ts", tests: "owners are those that the app sees", why: FOREIGN },
  {
    file: "pods/cp_test.ts",
    tests: "cp - is an archive",
    why: "the test's own standard input is root's file, which /dev/stdin opens again",
  },
  {
    file: "pods/cp_test.ts",
    tests: "a copy from a pod has no setuid bits",
    why: "the test makes a device node, which users can't",
  },
  {
    file: "pods/enter_test.ts",
    tests: "an entered command is in the app's cgroups",
    why: "a user has no cgroups of version 1",
  },
  {
    file: "pods/app_commands_test.ts",
    tests: "added apps live with the pod's own users",
    why: "users have no ranges of their own for pods",
    mode: "one",
  },
];

/** The beginnings of the names of tests that are left out of a file. */
export function skippedIn(mode: Mode, file: string): readonly string[] | "all" {
  const found = SKIPPED.filter((each) => each.file === file && (each.mode ?? mode) === mode);
  return found.some(({ tests }) => tests === "all") ? "all" : found.map(({ tests }) => tests);
}
