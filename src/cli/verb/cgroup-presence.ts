/** Whether the cgroups that were named exist: said at the start, when one goes, and when it is back. */
import type { Cgroupfs } from '../../linux/cgroupfs.ts';
import { usage } from './options.ts';

export class CgroupPresence {
  lastWord = '';
  readonly #wait: boolean;
  readonly #there = new Map<string, boolean>();

  /**
   * @param globs those without a wildcard are names, of what has to exist
   * @throws OomscopeError USAGE when one does not, and is not to be waited for
   */
  constructor(globs: readonly string[], cgroups: Cgroupfs | undefined, wait: boolean) {
    this.#wait = wait;
    for (const path of globs.filter((glob) => !/[*?]/.test(glob))) {
      using group = cgroups?.open(path);
      if (!group && !wait) {
        throw usage(`--cgroup: there is no memory cgroup "${path}". With --wait it is waited for.`);
      }
      this.#there.set(path, true); // so that its absence is news
    }
  }

  /** @returns what there is to say, and whether all that was named is gone and not waited for */
  look(exists: (path: string) => boolean): { news: string[]; ended: boolean } {
    const news: string[] = [];
    for (const [path, before] of this.#there) {
      const now = exists(path);
      if (now === before) continue;
      this.#there.set(path, now);
      const waiting = this.#wait ? ': waiting for it' : '';
      news.push(now ? `cgroup ${path} is there.` : `there is no cgroup ${path}${waiting}.`);
    }
    this.lastWord = news.at(-1) ?? this.lastWord;
    const ended = !this.#wait && this.#there.size > 0 && [...this.#there.values()].every((there) => !there);
    return { news, ended };
  }
}
