/** The pacer decides when the guard samples. The machine is simulated; the clock is that of the test. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MachineView } from '../../src/guard/ladder/machine-view.ts';
import { Pacer } from '../../src/guard/pacer.ts';

const SLACK = [{ path: null, bytes: 1000 }];

/** A guard that samples as often as its pacer lets it, on a machine that takes looks outside of JavaScript or not. */
class World {
  samples = 0;
  looks = 0;
  longestMs = 400;
  /** Reports that memory has moved, as the addon does. */
  move: () => void = () => {};
  moved = false;
  /** The shortest intervals that the looks of the addon were given. */
  readonly leastMs: number[] = [];
  readonly pacer: Pacer;

  constructor(hasThread: boolean) {
    const machine = {
      moved: () => {
        this.looks++;
        return this.moved;
      },
      whenMoved: (_: unknown, onMoved: () => void, { leastMs }: { leastMs: number }) => {
        this.leastMs.push(leastMs);
        if (hasThread) this.move = onMoved;
        return hasThread;
      },
      forgetMoves: () => {
        this.move = () => {};
      },
    } as unknown as MachineView;
    this.pacer = new Pacer(machine, () => this.sample());
  }

  sample(): void {
    this.samples++;
    this.pacer.sampled(SLACK, 10, this.longestMs);
    this.pacer.schedule(10);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('only samples when they are due while the addon looks', () => {
  const world = new World(true);
  world.sample();
  vi.advanceTimersByTime(2000);
  expect([world.samples, world.looks]).toEqual([6, 0]);
  world.pacer.stop();
});

it('samples at once when memory has moved', () => {
  const world = new World(true);
  world.sample();
  vi.advanceTimersByTime(50);
  world.move();
  expect(world.samples).toBe(2);
  vi.advanceTimersByTime(399);
  expect(world.samples).toBe(2);
  world.pacer.stop();
  world.move();
  expect(world.samples).toBe(2);
});

it('needs no other look while the addon looks', () => {
  const world = new World(true);
  world.sample();
  world.pacer.look();
  vi.advanceTimersByTime(300);
  expect([world.samples, world.looks]).toEqual([1, 0]);
  world.pacer.stop();
});

it('looks itself where the addon cannot', () => {
  const world = new World(false);
  world.sample();
  vi.advanceTimersByTime(395);
  expect([world.samples, world.looks]).toEqual([1, 39]);
  world.moved = true;
  vi.advanceTimersByTime(5);
  expect(world.samples).toBe(2);
  world.pacer.stop();
});

it('lets the addon look less often when memory has not moved for five seconds', () => {
  const world = new World(true);
  world.sample();
  vi.advanceTimersByTime(4900);
  world.move();
  vi.advanceTimersByTime(4900);
  expect(new Set(world.leastMs)).toEqual(new Set([10]));
  vi.advanceTimersByTime(600);
  expect(world.leastMs.at(-1)).toBe(50);
  world.pacer.wake(); // the kernel has killed a process, and memory has not moved
  vi.advanceTimersByTime(0);
  expect(world.leastMs.at(-1)).toBe(50);
  world.move();
  expect(world.leastMs.at(-1)).toBe(10);
  world.longestMs = 4000; // every rule is far from firing
  vi.advanceTimersByTime(10_000);
  expect(world.leastMs.at(-1)).toBe(100);
  world.pacer.stop();
});
