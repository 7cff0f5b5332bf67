/**
 * The default rules of other programs, applied to a recorded series as if the cgroup were the machine. They are rules, not
 * the programs: psi-notify 1.3.1 (README), systemd-oomd 252 (oomd.conf, oomd-manager.c), nohang 0.2.0 (nohang.conf).
 */

/** One sample of a cgroup. */
export interface Recorded {
  /** Seconds since the workload was started. */
  at: number;
  /** avg10 of memory.pressure, in percent. */
  some: number;
  full: number;
  /** The share of the limit that cannot be reclaimed. */
  held: number;
}

/** When a program pages, in seconds since the workload was started. */
export type Rule = (series: readonly Recorded[]) => number[];

/** Begins when `on` holds at an interval, for `lastsSeconds`; ends when `off` holds. */
function episodes(
  series: readonly Recorded[],
  rule: { everySeconds: number; lastsSeconds: number; on: (at: Recorded) => boolean; off: (at: Recorded) => boolean },
): number[] {
  const pages: number[] = [];
  let next = 0;
  let since: number | undefined;
  let isOn = false;
  for (const sample of series) {
    if (sample.at < next) continue;
    next = sample.at + rule.everySeconds;
    if (isOn) {
      if (rule.off(sample)) isOn = false;
      continue;
    }
    since = rule.on(sample) ? (since ?? sample.at) : undefined;
    if (since === undefined || sample.at - since < rule.lastsSeconds) continue;
    pages.push(sample.at);
    isOn = true;
    since = undefined;
  }
  return pages;
}

export const rules: Readonly<Record<string, Rule>> = {
  /** `threshold memory some avg10 10.00`, looked at every 5 s; the alert ends 5 below. */
  'psi-notify': (series) =>
    episodes(series, { everySeconds: 5, lastsSeconds: 0, on: ({ some }) => some > 10, off: ({ some }) => some < 5 }),
  /** `full avg10` above 60 % for 30 s. After each kill it waits 15 s. Its condition of reclaim always holds here. */
  'systemd-oomd': (series) =>
    episodes(series, { everySeconds: 1, lastsSeconds: 30, on: ({ full }) => full > 60, off: ({ full }) => full <= 60 }),
  /** Memory at most 5 % available and no swap: SIGTERM. Its rules of PSI are off by default. */
  nohang: (series) =>
    episodes(series, {
      everySeconds: 0,
      lastsSeconds: 0,
      on: ({ held }) => held >= 0.95,
      off: ({ held }) => held < 0.95,
    }),
};
