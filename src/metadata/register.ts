/**
 * Registers a pod with the metadata service. Nobody unregisters it: the service looks at the pod's lock, which tells at once
 * that a pod has ended, however it has.
 */
import { request } from "node:http";
import { Failure } from "../failure.ts";
import { PORT_HEADER, REGISTRATION_SOCKET } from "./places.ts";

/** A pod to register. */
export interface Registration {
  readonly uuid: string;
  readonly dataDir: string;
  /** The text of the pod's manifest. */
  readonly manifest: string;
  /** The texts of the images' manifests, by the apps' names. */
  readonly images: ReadonlyMap<string, string>;
  /** Where its requests come from; empty for anywhere. */
  readonly addresses: readonly string[];
}

/** What a registered pod needs to know. */
export interface Registered {
  readonly token: string;
  /** The port of the service; absent where it does not listen at one. */
  readonly port?: number | undefined;
}

/** Attempts, and milliseconds between them, as rkt 1.30 has them. */
const ATTEMPTS = 3;
const REST = 1000;
/** Milliseconds that the service has for an answer. */
const TIMEOUT = 10_000;

/**
 * Registers a pod.
 *
 * @throws {Failure} where no service answers
 */
export async function registerPod(pod: Registration): Promise<Registered> {
  const token = crypto.getRandomValues(new Uint8Array(16)).toHex();
  const query = new URLSearchParams([
    ["token", token],
    ["directory", pod.dataDir],
    ...pod.addresses.map((address) => ["address", address]),
  ]);
  const answer = await patient(() => put(`/pods/${pod.uuid}?${query}`, pod.manifest));
  for (const [app, manifest] of pod.images) {
    await patient(() => put(`/pods/${pod.uuid}/${app}`, manifest));
  }
  const port = Number(answer.port);
  return { token, port: Number.isInteger(port) && port > 0 ? port : undefined };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly port: string | undefined;
}

async function put(path: string, body: string): Promise<Answer> {
  const answer = await send("PUT", path, body);
  if (answer.status === 200) return answer;
  throw new Failure(`the metadata service refuses the pod: ${answer.status} ${answer.body.trim()}`);
}

/** The service may just be starting. */
async function patient(act: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1;; attempt++) {
    try {
      return await act();
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (attempt < ATTEMPTS) {
        await new Promise((resolve) => setTimeout(resolve, REST));
        continue;
      }
      throw new Failure(
        `--mds-register: no metadata service answers at ${REGISTRATION_SOCKET}; ` +
          "start `rkt metadata-service`, or the unit rkt-metadata.socket",
        254,
        { cause: error },
      );
    }
  }
}

function send(method: string, path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": new TextEncoder().encode(body).length };
    const asked = request(
      { socketPath: REGISTRATION_SOCKET, method, path, headers, timeout: TIMEOUT },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => text += chunk);
        response.on("error", reject);
        response.on("end", () => {
          const port = response.headers[PORT_HEADER];
          resolve({
            status: response.statusCode ?? 0,
            body: text,
            port: Array.isArray(port) ? port[0] : port,
          });
        });
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("it does not answer")));
    asked.on("error", reject);
    asked.end(body);
  });
}
