/** What happens to an OCI container, as runc's `events` prints it: what it uses, and that it lacked memory. */
import { Failure } from "../failure.ts";
import { exists } from "../linux/exists.ts";
import { read } from "./cgroups.ts";
import { type FoundContainer, statusOf } from "./container_directory.ts";
import { containerStats } from "./container_stats.ts";

/** An event. */
export interface ContainerEvent {
  readonly type: "stats" | "oom";
  readonly id: string;
  readonly data?: unknown;
}

/** How often one looks whether the container has ended or lacked memory, in milliseconds. */
const LOOK_EVERY = 100;

/** What a container uses now. */
export const statsEvent = ({ record: { id, cgroups } }: FoundContainer): ContainerEvent => ({
  type: "stats",
  id,
  data: containerStats(cgroups),
});

/**
 * The events of a container until it ends.
 *
 * @param interval milliseconds from one look at what it uses to the next one
 * @throws {Failure} it has ended already
 */
export async function* containerEvents(
  container: FoundContainer,
  interval: number,
): AsyncGenerator<ContainerEvent> {
  const { directory, record: { id, cgroups } } = container;
  const hasEnded = () => !exists(directory) || statusOf(container) === "stopped";
  if (hasEnded()) throw new Failure(`container with id ${id} is not running`, 1);
  let killed = killedForMemory(cgroups);
  let next = performance.now() + interval;
  while (true) {
    const left = next - performance.now();
    await new Promise((done) => setTimeout(done, Math.max(0, Math.min(LOOK_EVERY, left))));
    const ended = hasEnded();
    for (const now = killedForMemory(cgroups); killed < now; killed++) yield { type: "oom", id };
    if (ended) return;
    if (performance.now() < next) continue;
    yield statsEvent(container);
    next = performance.now() + interval;
  }
}

/** How many of a container's processes the kernel has killed because they used too much memory. */
function killedForMemory(places: Readonly<Record<string, string>>): number {
  const unified = places[""];
  const file = unified === undefined
    ? `${places.memory}/memory.oom_control`
    : `${unified}/memory.events`;
  return Number(/^oom_kill (\d+)$/m.exec(read(file) ?? "")?.[1] ?? 0);
}
