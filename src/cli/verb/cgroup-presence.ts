/** Follows whether the cgroups named on the command line exist. */
import type { Cgroupfs } from '../../linux/cgroupfs.ts';
import { usage } from './options.ts';

export class CgroupPresence {
  /** The last sentence about a cgroup that was created or removed. */
  lastWord = '';
  readonly #wait: boolean;
  /** For each path: did the cgroup exist at the last check? */
  readonly #exists = new Map<string, boolean>();

  /**
   * @param globs paths or patterns of cgroups. A path without a wildcard names a cgroup that must exist
   * @param wait allow cgroups that do not exist yet, or that were removed
   * @throws OomscopeError USAGE when a cgroup does not exist and `wait` is false
   */
  constructor(globs: readonly string[], cgroups: Cgroupfs | undefined, wait: boolean) {
    this.#wait = wait;
    for (const path of globs.filter((glob) => !/[*?]/.test(glob))) {
      using group = cgroups?.open(path);
      if (!group && !wait) {
        throw usage(`--cgroup: there is no memory cgroup "${path}". With --wait oomscope waits for it.`);
      }
      this.#exists.set(path, true); // so that the first check reports the cgroup if it is missing
    }
  }

  /**
   * @returns sentences about cgroups that were created or removed since the last check. `ended`: all cgroups are
   * gone, and `wait` is false
   */
  look(exists: (path: string) => boolean): { news: string[]; ended: boolean } {
    const news: string[] = [];
    for (const [path, before] of this.#exists) {
      const now = exists(path);
      if (now === before) continue;
      this.#exists.set(path, now);
      const waiting = this.#wait ? ': waiting for it' : '';
      news.push(now ? `The cgroup ${path} exists now.` : `There is no cgroup ${path}${waiting}.`);
    }
    this.lastWord = news.at(-1) ?? this.lastWord;
    const ended = !this.#wait && this.#exists.size > 0 && [...this.#exists.values()].every((there) => !there);
    return { news, ended };
  }
}
