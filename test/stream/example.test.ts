/** Tests the combination of operators that the documentation shows. */
import { Subject } from 'rxjs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { episode, levelAtLeast, type PressureLevel, perCgroup, rateLimited, sustained } from '../../src/index.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('reports medium pressure that lasts two seconds once, then when it gets worse, and when it is over', () => {
  const levels = new Subject<PressureLevel>();
  const steps: string[] = [];
  levels
    .pipe(
      levelAtLeast('medium'),
      perCgroup(sustained(2000)),
      episode(),
      rateLimited({ count: 10, perMs: 60_000, always: ({ state }) => state === 'over' }),
    )
    .subscribe(({ state, peak, event }) => steps.push(`${event.subject.path} ${state} ${peak}`));

  const previous = new Map<string, PressureLevel['level']>();
  const say = (path: string, level: PressureLevel['level'], thenMs: number) => {
    const subject = { scope: 'cgroup' as const, path, id: path };
    const before = previous.get(path) ?? 'normal';
    previous.set(path, level);
    const mono_ns = String(Date.now() * 1e6);
    levels.next({ subject, level, previous: before, mono_ns, episode: path } as PressureLevel);
    vi.advanceTimersByTime(thenMs);
  };
  say('/web', 'medium', 1000);
  say('/batch', 'critical', 500); // too short to be reported
  say('/batch', 'normal', 0);
  expect(steps).toEqual([]);
  say('/web', 'medium', 1000);
  say('/web', 'critical', 100);
  say('/web', 'low', 100);
  say('/web', 'normal', 0);
  expect(steps).toEqual(['/web begun medium', '/web worse critical', '/web over critical']);
});
