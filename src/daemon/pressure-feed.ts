/** The pressure that the monitor measures, as the guard reads it. */
import type { PolicyOptions } from '../guard/rules/rule.ts';
import type { PressureFeed } from '../guard/senses/sampler.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';

/** A count of fruitless reclaim rounds is outdated if it was not updated for this time (ms). */
const COUNTDOWN_MS = 1000;
/** With more counts than this, outdated ones are removed. */
const MOST_ROUNDS = 64;
/** Whether a rule reads what only the monitor measures. Otherwise its map is not read with every sample. */
export function readsOwnPressure({ rules }: PolicyOptions): boolean {
  return rules.some(({ when }) =>
    when.some(
      ({ metric }) => metric.name === 'rounds_left' || (metric.name === 'pressure' && typeof metric.over === 'number'),
    ),
  );
}

export function feedOf(monitor: PressureMonitor, windowsMs: readonly number[]): PressureFeed {
  // The monitor has no windows of cgroups that were never stalled.
  const calm = windowsMs.map((ms) => ({ window_seconds: ms / 1000, some: 0, full: 0 }));
  const rounds = new Map<string, { count: number; atMs: number }>();
  monitor.countdown$.subscribe(({ subject, fruitless_rounds }) => {
    const now = performance.now();
    // Nobody asks about most cgroups: their counts would never be removed.
    if (rounds.size > MOST_ROUNDS)
      for (const [path, { atMs }] of rounds) if (now - atMs > COUNTDOWN_MS) rounds.delete(path);
    rounds.set(subject.path, { count: fruitless_rounds, atMs: now });
  });
  return (path) => {
    const windows = monitor.windowsOf(path)?.map(({ window_seconds, some, full }) => ({
      window_seconds,
      some: 100 * some,
      full: full === null ? null : 100 * full,
    }));
    const countdown = rounds.get(path);
    if (countdown && performance.now() - countdown.atMs > COUNTDOWN_MS) rounds.delete(path);
    return { windows: windows ?? calm, fruitless_rounds: rounds.get(path)?.count ?? 0 };
  };
}
