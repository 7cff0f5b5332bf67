import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { locked, makeOnce } from '../../scripts/lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
afterAll(() => rmSync(directory, { recursive: true }));

it('lets one holder of a lock work at a time, also after one has failed', async () => {
  const lock = join(directory, 'some/lock');
  let working = 0;
  const work = async (fails: boolean) => {
    expect(++working).toBe(1);
    await sleep(20);
    working--;
    if (fails) throw new Error('failed');
    return 'made';
  };
  const ended = await Promise.allSettled([false, true, false].map((fails) => locked(lock, () => work(fails))));
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

it('makes a directory once, and leaves nothing of an attempt that failed', async () => {
  const made = join(directory, 'made');
  let attempts = 0;
  const make = async (work: string) => {
    attempts++;
    await sleep(20);
    if (attempts === 1) throw new Error('no network');
    writeFileSync(join(work, 'file'), '');
    return work;
  };
  const ended = await Promise.allSettled([1, 2, 3].map(() => makeOnce(made, make)));
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect(attempts).toBe(2);
  expect(existsSync(join(made, 'file'))).toBe(true);
  expect(readdirSync(directory).filter((name) => name.startsWith('made-'))).toEqual([]);
});
