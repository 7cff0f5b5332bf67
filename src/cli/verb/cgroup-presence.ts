/** Follows whether the cgroups named on the command line exist. */
import type { Cgroupfs } from '../../linux/cgroupfs.ts';
import { usage } from './options.ts';

export class CgroupPresence {
  /** The last sentence about a cgroup that came or went. */
  lastWord = '';
  readonly #wait: boolean;
  /** By path: did it exist when last looked at? */
  readonly #exists = new Map<string, boolean>();

  /**
   * @param globs those without a wildcard name a cgroup that has to exist
   * @param wait allow cgroups that do not exist yet, or no longer
   * @throws OomscopeError USAGE when a cgroup does not exist and `wait` is false
   */
  constructor(globs: readonly string[], cgroups: Cgroupfs | undefined, wait: boolean) {
    this.#wait = wait;
    for (const path of globs.filter((glob) => !/[*?]/.test(glob))) {
      using group = cgroups?.open(path);
      if (!group && !wait) {
        throw usage(`--cgroup: there is no memory cgroup "${path}". With --wait oomscope waits for it.`);
      }
      this.#exists.set(path, true); // so that its absence is reported at the first look
    }
  }

  /** @returns sentences about cgroups that came or went, and whether all are gone and none is waited for */
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
