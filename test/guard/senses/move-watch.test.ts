import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createMemoryGroup, removeMemoryGroups } from '../../../src/demo/memory-group.ts';
import { slackOf } from '../../../src/guard/rules/pace.ts';
import { type Limit, MoveWatch } from '../../../src/guard/senses/move-watch.ts';
import { Sampler } from '../../../src/guard/senses/sampler.ts';
import { loadNative } from '../../../src/native/addon.ts';
import { detector, MIB, rule } from '../rules/world.ts';

const HOG = join(import.meta.dirname, '../../../build/hog');

/** Resolves when the watch has reported, `timeout` if it does not within half a second. */
function reported(watch: MoveWatch, limits: Limit[]): Promise<string> {
  const moved = Promise.withResolvers<string>();
  expect(
    watch.watch(
      limits.map((limit) => ({ ...limit, everyMs: 2 })),
      () => moved.resolve('moved'),
    ),
  ).toBe(true);
  return Promise.race([moved.promise, sleep(500, 'timeout')]);
}

describe('a figure of a file is reported', () => {
  let file: string;
  let fd: number;
  const watch = new MoveWatch();
  beforeEach(() => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    file = join(directory, 'figure');
    writeFileSync(file, '100\n');
    fd = openSync(file, 'r');
    onTestFinished(() => {
      watch.stop();
      rmSync(directory, { recursive: true });
    });
  });

  it('when it grows above its most, and not before', async () => {
    expect(await reported(watch, [{ fd, name: '', most: 100 }])).toBe('timeout');
    const later = reported(watch, [{ fd, name: '', most: 100 }]);
    writeFileSync(file, '101\n');
    expect(await later).toBe('moved');
  });

  it('when it falls below its least', async () => {
    expect(await reported(watch, [{ fd, name: '', least: 100 }])).toBe('timeout');
    expect(await reported(watch, [{ fd, name: '', least: 101 }])).toBe('moved');
  });

  it('by its whole name, wherever its line is', async () => {
    writeFileSync(file, 'inactive_anon 9\nanon 5\ntotal_rss_huge 9\ntotal_rss 6\n');
    expect(await reported(watch, [{ fd, name: 'anon', least: 5, most: 5 }])).toBe('timeout');
    expect(await reported(watch, [{ fd, name: 'total_rss', least: 6, most: 6 }])).toBe('timeout');
    expect(await reported(watch, [{ fd, name: 'anon', most: 4 }])).toBe('moved');
  });

  it('when it cannot be read', async () => {
    expect(await reported(watch, [{ fd, name: 'anon', most: 1000 }])).toBe('moved');
    writeFileSync(file, 'max\n');
    expect(await reported(watch, [{ fd, name: '', most: 1000 }])).toBe('moved');
    writeFileSync(file, '');
    expect(await reported(watch, [{ fd, name: '', most: 1000 }])).toBe('moved');
  });

  it('only until another watch replaces it, or it is stopped', async () => {
    const first = reported(watch, [{ fd, name: '', most: 100 }]);
    const second = reported(watch, [{ fd, name: '', most: 200 }]);
    writeFileSync(file, '150\n');
    expect(await Promise.all([first, second])).toEqual(['timeout', 'timeout']);
    const third = reported(watch, [{ fd, name: '', most: 150 }]);
    watch.stop();
    writeFileSync(file, '151\n');
    expect(await third).toBe('timeout');
  });

  it('and a closed descriptor is refused', () => {
    expect(watch.watch([{ fd: undefined, name: '', most: 1, everyMs: 1 }], () => {})).toBe(false);
    expect(watch.watch([{ fd: 2 ** 30, name: '', most: 1, everyMs: 1 }], () => {})).toBe(false);
  });
});

describe('the sampler notices without JavaScript that memory grows', () => {
  afterAll(removeMemoryGroups);
  let hog: ChildProcess | undefined;

  /** A cgroup in which a process fills `held` bytes, and another 8 MiB when it is told to. */
  async function near(limitBytes: number, fileBytes: number, held: number) {
    const group = createMemoryGroup({ limitBytes });
    onTestFinished(() => void hog?.kill('SIGKILL'));
    if (fileBytes > 0) {
      const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const script = `echo $$ >${group.path}/cgroup.procs; head -c ${fileBytes} /dev/zero >${directory}/f; cat ${directory}/f >/dev/null`;
      await once(spawn('sh', ['-c', script]), 'exit');
    }
    hog = spawn(HOG, ['--cgroup', group.path, '--hold', String(held)], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (hog.stdout) await once(hog.stdout, 'data');
    const when = [detector({ name: 'available' }, '<', 5)];
    const policy = { rules: [rule({ on: [{ kind: 'cgroup', glob: group.cgroupPath }], when })] };
    const sampler = new Sampler(policy);
    onTestFinished(() => sampler.close());
    const slack = slackOf({ ...policy, killsPerMinute: 1, protect: [] }, sampler.levels());
    if (!slack) throw new Error('expected a slack');
    const moved = Promise.withResolvers<string>();
    const began = sampler.whenMoved(slack, () => moved.resolve('moved'), { leastMs: 5, mostMs: 200 });
    expect(began).toBe(true);
    return { group, moved: (ms: number) => Promise.race([moved.promise, sleep(ms, 'timeout')]) };
  }

  it.each([
    { layout: 'with room left', fileBytes: 0 },
    { layout: 'that pages of files have filled', fileBytes: 64 * MIB },
  ])('in a cgroup $layout', async ({ fileBytes }) => {
    const { group, moved } = await near(64 * MIB, fileBytes, 40 * MIB);
    expect(await moved(300)).toBe('timeout');
    const more = spawn(HOG, ['--cgroup', group.path, '--hold', String(12 * MIB)], { stdio: 'ignore' });
    onTestFinished(() => void more.kill('SIGKILL'));
    expect(await moved(3000)).toBe('moved');
  });

  it('and when a cgroup is removed', async () => {
    const { group, moved } = await near(64 * MIB, 0, 40 * MIB);
    const exit = hog && once(hog, 'exit');
    hog?.kill('SIGKILL');
    await exit;
    group.remove();
    expect(await moved(3000)).toBe('moved');
  });
});

it('a second watcher of the same process works beside the first', async () => {
  const watchers = [new MoveWatch(), new MoveWatch()];
  const limits = [{ fd: openSync('/proc/meminfo', 'r'), name: 'MemAvailable:', most: 0 }];
  expect(await Promise.all(watchers.map((watch) => reported(watch, limits)))).toEqual(['moved', 'moved']);
});

it('unmaps the pages that only the start needed', () => {
  const before = process.memoryUsage.rss();
  expect(loadNative().dropFilePages()).toBe(0);
  expect(process.memoryUsage.rss()).toBeLessThan(before - 8 * MIB);
});
