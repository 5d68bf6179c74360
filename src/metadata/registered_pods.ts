/**
 * The pods that the metadata service knows. Each is a file of root's, too, written before the registration is answered, so
 * that a service that is started anew knows the same pods.
 */
import { ifThere } from "../linux/exists.ts";
import { type ImageManifest, parseImageManifest } from "../appc/image_manifest.ts";
import { parsePodManifest, type PodManifest } from "../appc/pod_manifest.ts";
import { AppcError } from "../appc/error.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { podIsHeld } from "../pod/directory/pod_held.ts";

/** What was registered of a pod, as it is remembered. */
interface Remembered {
  readonly uuid: string;
  readonly token: string;
  readonly manifest: string;
  /** Manifests of the images, by the apps' names. */
  readonly images: Readonly<Record<string, string>>;
  /** The pod's addresses; none where it may ask from any. */
  readonly addresses: readonly string[];
  /** The data directory, where the one who registered has said it: then the pod's lock says whether it lives. */
  readonly dataDir?: string | undefined;
}

/** A registered pod. */
export interface RegisteredPod extends Remembered {
  readonly parsed: PodManifest;
  readonly parsedImages: ReadonlyMap<string, ImageManifest>;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text has the form of a pod's UUID. */
export const isUuid = (text: string): boolean => UUID.test(text);

/** The form of tokens: rkt's are 32 hexadecimal digits; others may be anything that a path takes as it is. */
const TOKEN = /^[A-Za-z0-9._~-]{16,256}$/;

/** Whether a text can be a pod's token: too short a one could be guessed. */
export const isToken = (text: string): boolean => TOKEN.test(text);

/** The pods, by their UUIDs and tokens. */
export class RegisteredPods {
  readonly #directory: string;
  readonly #byUuid = new Map<string, RegisteredPod>();
  readonly #byToken = new Map<string, RegisteredPod>();

  /**
   * Reads what a service before has remembered, but for pods that have ended.
   *
   * @param directory root's own; it is made where it is not there
   */
  constructor(directory: string) {
    this.#directory = directory;
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    Deno.chmodSync(directory, 0o700);
    for (const { name } of Deno.readDirSync(directory)) {
      if (!isUuid(name)) continue;
      const pod = readRemembered(`${directory}/${name}`);
      if (pod !== undefined && pod.uuid === name) this.#put(pod);
      else Deno.removeSync(`${directory}/${name}`);
    }
    this.forgetEnded();
  }

  /** The number of registered pods. */
  get size(): number {
    return this.#byUuid.size;
  }

  /** The pods that are registered. */
  all(): readonly RegisteredPod[] {
    return [...this.#byUuid.values()];
  }

  byUuid(uuid: string): RegisteredPod | undefined {
    return this.#byUuid.get(uuid);
  }

  /** The pod that has a token; it is looked up as a whole, so no part of it can be guessed by the time that this takes. */
  byToken(token: string): RegisteredPod | undefined {
    return this.#byToken.get(token);
  }

  /**
   * Registers a pod, or registers it anew with other apps.
   *
   * @throws {AppcError} where the manifest is none, or the token is another pod's
   */
  add(
    pod: Pick<Remembered, "uuid" | "token" | "manifest" | "addresses" | "dataDir">,
  ): void {
    const other = this.#byToken.get(pod.token);
    if (other !== undefined && other.uuid !== pod.uuid) {
      throw new AppcError("token", "another pod has it");
    }
    const images = this.#byUuid.get(pod.uuid)?.images ?? {};
    this.#remember(parsed({ ...pod, images }));
  }

  /**
   * Adds the image of one of a pod's apps.
   *
   * @throws {AppcError} where the manifest is none, or the pod has no such app
   */
  addImage(pod: RegisteredPod, app: string, manifest: string): void {
    if (!pod.parsed.apps.some(({ name }) => name === app)) {
      throw new AppcError("app", "the pod has none of that name");
    }
    this.#remember(parsed({ ...pod, images: { ...pod.images, [app]: manifest } }));
  }

  /** Forgets a pod. Returns whether there was one. */
  remove(uuid: string): boolean {
    const pod = this.#byUuid.get(uuid);
    if (pod === undefined) return false;
    ifThere(() => Deno.removeSync(`${this.#directory}/${uuid}`));
    this.#byUuid.delete(uuid);
    this.#byToken.delete(pod.token);
    return true;
  }

  /** Forgets pods that nobody runs any more. */
  forgetEnded(): void {
    for (const pod of this.all()) if (!isAlive(pod)) this.remove(pod.uuid);
  }

  #remember(pod: RegisteredPod): void {
    const { parsed: _parsed, parsedImages: _images, ...remembered } = pod;
    // What a crash of the machine loses is no loss: the pods are gone, too.
    replaceFile(`${this.#directory}/${pod.uuid}`, JSON.stringify(remembered), {
      mode: 0o600,
      durable: false,
    });
    this.#put(pod);
  }

  #put(pod: RegisteredPod): void {
    const before = this.#byUuid.get(pod.uuid);
    if (before !== undefined) this.#byToken.delete(before.token);
    this.#byUuid.set(pod.uuid, pod);
    this.#byToken.set(pod.token, pod);
  }
}

/** Whether a pod may still ask; true where its data directory is not known. */
export function isAlive({ dataDir, uuid }: RegisteredPod): boolean {
  return dataDir === undefined || podIsHeld(dataDir, uuid);
}

function parsed(pod: Remembered): RegisteredPod {
  const images = Object.entries(pod.images);
  return {
    ...pod,
    parsed: parsePodManifest(pod.manifest),
    parsedImages: new Map(images.map(([app, text]) => [app, parseImageManifest(text)])),
  };
}

/** A file that can't be read is of another version, or a crash has left it: then the pod is not known. */
function readRemembered(path: string): RegisteredPod | undefined {
  try {
    return parsed(JSON.parse(Deno.readTextFileSync(path)));
  } catch {
    return undefined;
  }
}
