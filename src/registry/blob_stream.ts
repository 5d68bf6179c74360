/** A blob out of a registry as a stream that goes on where a connection broke. */
import { Failure } from "../failure.ts";
import { TransportFailure } from "../http/transport_failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Answer, errorText } from "./answer.ts";
import type { Endpoint, RegistryClient } from "./registry_client.ts";

/** Connections for one blob. Each may break, so a slow link with a large layer needs many. */
const MAX_CONNECTIONS = 1000;

/**
 * The bytes of a blob, unchecked. Endpoints are tried in order; a connection that breaks is picked up behind the bytes that came.
 *
 * @param name the image, for messages
 * @param start bytes at the beginning that are not wanted
 * @throws {Failure} none of the endpoints has it, here or from the stream
 */
export async function blobStream(
  client: RegistryClient,
  endpoints: readonly Endpoint[],
  descriptor: Descriptor,
  name: string,
  start = 0,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  let received = start;
  let connections = 1;
  let attempt = 1;
  let answer = await openBlob(client, endpoints, descriptor, name, received);
  const next = async (): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    for (;;) {
      try {
        const chunk = await answer.read();
        if (chunk !== undefined || received >= descriptor.size) return chunk;
        throw new TransportFailure(
          `${name}: the server sent ${received} of ${descriptor.size} bytes of ${descriptor.digest}`,
          true,
        );
      } catch (error) {
        if (!(error instanceof TransportFailure)) throw error;
        if (attempt >= client.retry.attempts || ++connections > MAX_CONNECTIONS) throw error;
        answer.cancel();
        await client.pause(attempt++);
        answer = await openBlob(client, endpoints, descriptor, name, received);
      }
    }
  };
  return new ReadableStream({
    async pull(controller) {
      const chunk = await next();
      if (chunk === undefined) return controller.close();
      received += chunk.length;
      attempt = 1;
      controller.enqueue(chunk);
    },
    cancel: () => answer.cancel(),
  }, { highWaterMark: 0 });
}

/** The answer whose body goes on at an offset, of the first endpoint that has the blob. */
async function openBlob(
  client: RegistryClient,
  endpoints: readonly Endpoint[],
  descriptor: Descriptor,
  name: string,
  offset: number,
): Promise<Answer> {
  const reasons: string[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      return await askForBlob(client, endpoint, descriptor, offset);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (index === endpoints.length - 1 && reasons.length === 0) {
        if (error instanceof TransportFailure) throw error;
        throw new Failure(`${name}: ${error.message}`, 254, { cause: error });
      }
      reasons.push(error.message);
    }
  }
  throw new Failure(`${name}: ${reasons.join("; ")}`);
}

async function askForBlob(
  client: RegistryClient,
  endpoint: Endpoint,
  { digest, size }: Descriptor,
  offset: number,
): Promise<Answer> {
  // Nothing is missing: a range behind the end would be refused.
  const range = offset > 0 && offset < size;
  const answer = await client.request(endpoint, {
    path: `blobs/${digest}`,
    ...range && { headers: { range: `bytes=${offset}-` } },
  });
  if (answer.status === 206 && range) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/
      .exec(answer.headers.get("content-range") ?? "") ?? [];
    if (Number(first) === offset && (total === "*" || Number(total) === size)) return answer;
    answer.cancel();
    throw new Failure(`${endpoint.host}: sent another range of ${digest} than it was asked for`);
  }
  if (answer.status === 200) {
    await skip(answer, offset);
    return answer;
  }
  throw new Failure(`${endpoint.host}: blob ${digest}: ${await errorText(answer)}`);
}

/** Reads over bytes that are there already, where a server does not know ranges. */
async function skip(answer: Answer, count: number): Promise<void> {
  let left = count;
  while (left > 0) {
    const chunk = await answer.read();
    if (chunk === undefined) return;
    if (chunk.length > left) return answer.putBack(chunk.subarray(left));
    left -= chunk.length;
  }
}
