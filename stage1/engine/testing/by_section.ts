import type { SectionName } from "../plan.ts";

/** A map for each section. */
export class BySection<K, V> {
  readonly #maps = new Map<SectionName, Map<K, V>>();

  of(section: SectionName): Map<K, V> {
    const found = this.#maps.get(section) ?? new Map();
    this.#maps.set(section, found);
    return found;
  }
}
