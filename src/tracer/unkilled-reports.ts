/** The interval of reports about one cgroup in which the kernel finds no process to kill. */
const INTERVAL_NS = 60_000_000_000n;
/** How many cgroups are remembered. */
const MOST_GROUPS = 256;

/**
 * Recognises repeated reports of a cgroup in which the kernel finds no process to kill. The kernel prints such a report at
 * each attempt, up to hundreds a second, without its usual rate limit (mm/oom_kill.c: out_of_memory()). The event
 * `oom.stuck` counts the attempts.
 */
export class UnkilledReports {
  readonly #latest = new Map<string, bigint>();

  /** @param lines the report. @returns whether a report about the same cgroup came less than a minute before */
  isRepeated(lines: readonly string[], atNs: bigint): boolean {
    if (!lines.at(-1)?.includes('no killable processes')) return false;
    const cgroup = lines
      .map((line) => /Memory cgroup stats for (.*):/.exec(line)?.[1])
      .find((path) => path !== undefined);
    const key = cgroup ?? '';
    const before = this.#latest.get(key);
    if (before !== undefined && atNs - before < INTERVAL_NS) return true;
    this.#latest.delete(key);
    this.#latest.set(key, atNs);
    if (this.#latest.size > MOST_GROUPS) this.#latest.delete(this.#latest.keys().next().value as string);
    return false;
  }
}
