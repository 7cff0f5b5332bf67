/**
 * Compares `guard --as-earlyoom` with the real earlyoom: both accept the same options and refuse with the same exit
 * code.
 */
import { spawn } from 'node:child_process';
import { accessSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, test } from 'vitest';
import { parseEarlyoom } from '../../src/config/import/earlyoom.ts';
import { createMemoryGroup, removeMemoryGroups, startHog } from '../kernel/memcg.ts';
import { ended, MAIN, ROOT } from './cli.ts';

const EARLYOOM = join(ROOT, 'build/packages/usr/bin/earlyoom');
const OURS = [process.execPath, MAIN, 'guard', '--as-earlyoom'];

function here(): boolean {
  try {
    accessSync(EARLYOOM);
    return true;
  } catch {
    return false;
  }
}

afterEach(removeMemoryGroups);

/**
 * Runs a command, and kills it after `ms`. If it had to be killed (its `code` is null), it has accepted its options.
 */
async function start(command: string[], args: string[], ms: number, until?: RegExp) {
  const [file = '', ...rest] = command;
  const child = spawn(file, [...rest, '--dryrun', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const look = (chunk: Buffer) => {
    said += chunk;
    if (until?.test(said)) child.kill('SIGKILL');
  };
  child.stdout.on('data', look);
  child.stderr.on('data', look);
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const { code, stdout, stderr } = await ended(child);
  clearTimeout(timer);
  return { code, said: stdout + stderr };
}

const thresholds = (said: string) =>
  [...said.matchAll(/(SIGTERM|SIGKILL) when mem <= +([\d.]+)% and swap <= +([\d.]+)%/g)].map(([, ...all]) => all);

describe.skipIf(!here())('the same as earlyoom', () => {
  const taken = /SIGKILL when.*\n/;
  it.each([
    [''],
    ['-m 20'],
    ['-m 10.5'],
    ['-m 10,2'],
    ['-m2,0 -s50,25'],
    ['-m 5,10'],
    ['-M 1000000'],
    ['-m 50 -M 1000000'],
    ['-s 100'],
    ['-gdn -r 60'],
    ['-i -k'],
    ['-r x'],
    ['--prefer (^|/)(a|b)$ --avoid ^sshd$'],
    ['--pref a'],
    ['--prefer=a --prefer=b'],
    ['-m 0'],
    ['-m 100'],
    ['-m abc'],
    ['-m -5'],
    ['-m 10,5,2'],
    ['-M 0'],
    ['-M 10M'],
    ['-M 99999999999'],
    ['-s 0'],
    ['-s 101'],
    ['-r -1'],
    ['-x'],
    ['extra'],
    ['--prefer ('],
    ['-m'],
    ['--nonsense'],
    ['-v'],
    ['-h'],
  ])('%s', async (args) => {
    const argv = args === '' ? [] : args.split(' ');
    const [theirs, ours] = await Promise.all([start([EARLYOOM], argv, 2000, taken), start(OURS, argv, 10_000, taken)]);
    expect(ours.code).toBe(theirs.code);
    // The percentages may be of different totals (MemTotal, or MemAvailable + AnonPages), but both print the given
    // ones.
    expect(thresholds(ours.said)).toEqual(thresholds(theirs.said));
    if (theirs.code === null) expect(thresholds(ours.said)).toHaveLength(2);
  });

  it('chooses the same victim', async () => {
    // For oomscope `-m 99` means 99 % of MemAvailable + AnonPages. On an idle machine the victim must hold the other
    // 1 %.
    const bytes = Math.ceil(totalmem() / 60);
    const group = createMemoryGroup({ limitBytes: 2 * bytes });
    const hog = startHog(group, ['--hold', String(bytes), '--max', String(bytes), '--comm', 'eo-victim']);
    await hog.ready;
    const args = ['-m', '99', '-s', '100', '-r', '0', '--prefer', '^eo-victim$'];
    const named = /"eo-victim"|eo-victim \(pid/;
    const [theirs, ours] = await Promise.all([
      start([EARLYOOM], args, 10_000, named),
      start(OURS, args, 10_000, named),
    ]);
    expect(theirs.said).toContain(`process ${hog.pid}`);
    expect(ours.said).toContain(`eo-victim (pid ${hog.pid})`);
    hog.kill('SIGKILL');
    await hog.ended;
  });
});

test('turns the options of earlyoom into rules of the guard', () => {
  const machine = { memory: 1_000_000, swap: 0 };
  const { guard, reportSeconds, after } = parseEarlyoom(
    ['-m', '10', '-s5', '-gr', '60', '-N', '/bin/hook', '--avoid', 'a', '--ignore-root-user', '--sort-by-rss'],
    machine,
  );
  const [rule] = guard.policy.rules;
  expect(guard).toMatchObject({ mode: 'enforce' });
  expect({ reportSeconds, after }).toEqual({ reportSeconds: 60, after: '/bin/hook' });
  expect(rule?.when.map(({ text }) => text)).toEqual(['available <= 10 %', 'swap_free <= 5 %']);
  expect(rule?.steps[1]?.atOnce.map(({ text }) => text)).toEqual(['available <= 5 %', 'swap_free <= 2.5 %']);
  expect(rule).toMatchObject({
    unit: 'process_group',
    rank: 'rss',
    never: [{ uid: 0 }],
    preferences: [{ points: (-1000 * 3 * 2 ** 20) / 1_000_000 }],
  });
  expect(() => parseEarlyoom(['--kernel-oom'], machine)).toThrow('remove the option');
});
