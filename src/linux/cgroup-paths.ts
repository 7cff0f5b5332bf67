import type { Cgroupfs } from './cgroupfs.ts';

/** From a cgroup's id to its path: the tree is gone through once, and again when an id turns up that was not there. */
export class CgroupPaths {
  readonly #cgroupfs: Cgroupfs;
  #paths = new Map<string, string>();
  #looked = false;

  constructor(cgroupfs: Cgroupfs) {
    this.#cgroupfs = cgroupfs;
  }

  /** From here on the tree may be gone through once more. */
  startLook(): void {
    this.#looked = false;
  }

  pathOf(id: string | null): string | undefined {
    if (id === null) return undefined;
    const path = this.#paths.get(id);
    if (path !== undefined || this.#looked) return path;
    this.#looked = true;
    this.#paths = new Map(this.#cgroupfs.paths(65_536).map((each) => [this.#cgroupfs.id(each), each]));
    return this.#paths.get(id);
  }
}
