import { printNote } from "../../linux/printable.ts";
import { removeStaleDownloads } from "../../fetch/stale_downloads.ts";
import { usedByPods } from "../../pod/directory/used_by_pods.ts";
import { collectImages } from "../../store/collect_images.ts";
import { sweepStarts } from "../../start/cache/write_entry.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { shownSize } from "../print/size.ts";

/** `rkt image gc`: removes images that were not used for some time, and extracted trees that no pod uses. */
export default async function run({ flags, global }: Invocation): Promise<number> {
  const say = (line: string) => printNote(`gc: ${line}`);
  if (flags.on("rebuild-index")) {
    const { changeIndex } = await import("../../store/open_index.ts");
    let images = 0;
    changeIndex(global.dir, (index) => images = index.rebuild(global.dir));
    say(`rebuilt the index: ${images} image(s)`);
  }
  let removed = 0;
  const gracePeriod = flags.duration("grace-period") ?? 0;
  const collected = collectImages(new Store(global.dir), {
    gracePeriod,
    inUse: usedByPods(global.dir),
    onTree: (id) => say(`removed treestore "${id}"`),
    onImage: (key) => {
      removed += 1;
      printLine(`successfully removed aci for image: "${key}"`);
    },
    onLeft: say,
  });
  const freed = collected + removeStaleDownloads(global.dir, gracePeriod);
  sweepStarts(global.dir);
  if (removed > 0) say(`${removed} image(s) successfully removed`);
  if (freed > 0) say(`freed ${shownSize(freed)}`);
  return 0;
}
