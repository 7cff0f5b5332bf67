/** The kernel's log as the proof that its OOM killer has killed a process. */
import { accessSync, constants, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { loggedKill } from '../../src/linux/kernel-log-kill.ts';
import { oomKill, oomKillsUnavailable, removeMemoryGroups } from './memcg.ts';

afterEach(removeMemoryGroups);

/** The log has the pids of the first pid namespace. */
const sameNumbers = readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]';

function logIsReadable(): boolean {
  try {
    accessSync('/dev/kmsg', constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

test.skipIf(oomKillsUnavailable() !== undefined || !sameNumbers || !logIsReadable())(
  'the log names the process that the kernel killed, and no other',
  async () => {
    const { pid } = await oomKill();
    expect([loggedKill(pid, 0), loggedKill(2 ** 22 + 1, 0)]).toEqual([true, false]);
    const inAnHourUs = Number(process.hrtime.bigint() / 1000n) + 3600e6;
    expect(loggedKill(pid, inAnHourUs)).toBe(false); // another process with this pid
  },
);

describe.skipIf(!sameNumbers)('a record of the log', () => {
  const killed = 'Killed process 77 (web) total-vm:63432kB, anon-rss:48640kB';
  test.each([
    [true, `3,1201,2090060255,-;Memory cgroup out of memory: ${killed}`],
    [true, `3,1201,2090060255,-,caller=T12;Out of memory (oom_kill_allocating_task): ${killed}`],
    [true, `3,1201,2090060255,-;${killed}`],
    [false, `3,1201,2090060255,-;Memory cgroup out of memory: ${killed.replace('77', '777')}`],
    [false, `12,1201,2090060255,-;Memory cgroup out of memory: ${killed}`], // another program has written it
    [false, `6,1201,2090060255,-;oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/x: ${killed}`], // a cgroup's name
  ])('is taken for a kill of process 77: %s (%s)', (isKill, record) => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-log-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'log');
    writeFileSync(path, `6,1200,2090060000,-;oom_reaper\n${record}\n SUBSYSTEM=memory\n`);
    expect(loggedKill(77, 2090e6, path)).toBe(isKill);
  });
});

test('without a log that can be read, it is unknown', () => {
  expect(loggedKill(77, 0, '/nonexistent/kmsg')).toBeNull();
});
