/** The guard's steps that need the memory controller of cgroup v2: reclaim, throttle, freeze, kill whole cgroups. */

import { expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import { NODE } from './runs.ts';

test('runs every step of the ladder on Linux 6.12', { timeout: 300_000 }, async () => {
  const result = await bootGuest({
    ...{ kernel: '6.12', cgroup: 'v2', memoryMib: 768, swap: 'zram', swapMib: 256, limitSeconds: 240 },
    command: [...NODE, 'test/lab/ladder.ts'],
  });
  expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
  expect({ code: result.exitCode, stderr: result.stderr }).toEqual({ code: 0, stderr: '' });
  const said = result.stdout.split('\n').filter((line) => line.startsWith('{'));
  const byName = Object.fromEntries(said.map((line) => JSON.parse(line)).map(({ name, ...rest }) => [name, rest]));
  expect(byName).toEqual({
    reclaim: { outcome: 'recovered', actions: ['reclaim done'], living: 1 },
    throttle: { outcome: 'recovered', actions: ['throttle done', 'throttle undone'], set: true, after: 'max' },
    freeze: {
      ...{ outcome: 'killed', actions: ['freeze done', 'freeze undone', 'kill done'], signal: 'SIGKILL' },
      ...{ frozen: true, after: '0' },
    },
    'freeze, then SIGTERM': {
      ...{ outcome: 'killed', actions: ['freeze done', 'freeze undone', 'term done'], signal: 'SIGTERM' },
    },
    'the whole ladder': {
      outcome: 'killed',
      actions: [
        ...['notify done', 'exec done', 'reclaim done', 'throttle done', 'freeze done', 'freeze undone', 'term done'],
        ...['kill done', 'throttle undone'],
      ],
      ...{ signal: 'SIGKILL', hook: true, high: 'max', freeze: '0' },
    },
    'a whole cgroup': {
      ...{ outcome: 'killed', target: 2, details: ['2 processes, by cgroup.kill'], signals: ['SIGKILL', 'SIGKILL'] },
    },
    'memory.oom.group': { outcome: 'killed', takes: 'cgroup', signals: ['SIGKILL', 'SIGKILL'] },
    'kill -9 on the guard': { frozen: '1', after: '0', notes: 1, state: false },
  });
});
