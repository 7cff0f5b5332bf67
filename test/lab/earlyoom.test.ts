/**
 * Compares `guard --as-earlyoom` with the real earlyoom 1.8.2, each in its own guest with a leak beside a larger process
 * that --avoid names: victims, lines, and environment of the hooks.
 */
import { join, resolve } from 'node:path';
import { describe, test } from 'vitest';
import { buildPrograms } from '../../scripts/bench/rescue/run.ts';
import { realEarlyoom } from '../../scripts/lab/earlyoom.ts';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';

const BUILD = resolve(import.meta.dirname, '../../build');
/**
 * earlyoom 1.8.2 does not have -P. Its lines are compared from the first shortage on: at its start it rehearses a kill, and says
 * that it would choose itself if no other process is larger by then.
 */
const killers = {
  earlyoom: ['/bin/earlyoom', ''],
  oomscope: ['oomscope guard --as-earlyoom', '-P /tmp/before'],
} as const;

const script = (killer: string, before: string) => `
printf '#!/bin/sh\\nenv | grep ^EARLYOOM_ >/tmp/after.env\\n' >/tmp/hook
printf '#!/bin/sh\\nkill -0 $EARLYOOM_PID && echo "before: it lives" >/tmp/before.env\\n' >/tmp/before
chmod +x /tmp/hook /tmp/before
load hold 150 >/tmp/hold & hold=$!
${killer} ${before} -r 0 -m 30,10 --avoid '^hold$' -N /tmp/hook >/tmp/killer 2>&1 & killer=$!
until grep -q ready /tmp/hold && grep -q 'SIGKILL when' /tmp/killer; do sleep 0.1; done
sleep 5
load leak 32 & leak=$!
wait $leak; echo "leak: $?"
for i in $(seq 40); do [ -s /tmp/after.env ] && break; sleep 0.5; done
kill -0 $hold && echo 'hold lives'
kill $killer; wait $killer; echo "killer: $?"
sed "s/=$leak$/=of the leak/" /tmp/after.env | grep -v CMDLINE | sort
cat /tmp/before.env
sed -n '/^mem avail/,$p' /tmp/killer`;

/** Replaces what differs from run to run. */
const normal = (line: string) =>
  line
    .replace(/^mem avail: .*/, 'mem avail: …')
    .replace(/process \d+/, 'process PID')
    .replace(/oom_score \d+, VmRSS \d+ MiB/, 'oom_score #, VmRSS # MiB')
    .replace(/^kill_release: pid=\d+: process_mrelease pidfd=\d+ .*/, 'kill_release: …')
    .replace(/after [\d.]+ seconds/, 'after # seconds');

describe('as earlyoom', () => {
  // earlyoom and oomscope wait 200 ms for the hook. On a busy host the hook may start later and find the process dead:
  // retry.
  test.concurrent.for(Object.entries(killers))(
    '%s',
    { timeout: 200_000, retry: 4 },
    async ([name, [killer, before]], { expect }) => {
      buildPrograms();
      const files = {
        '/bin/load': join(BUILD, 'bench/load'),
        '/bin/earlyoom': await realEarlyoom('1.8.2'),
      };
      const command = ['sh', '-c', script(killer, before)];
      const result = await bootGuest({ kernel: '6.12', memoryMib: 512, cpus: 1, limitSeconds: 180, files, command });
      expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
      expect(result.stdout.split('\n').map(normal)).toEqual([
        'leak: 143', // SIGTERM
        'hold lives',
        'killer: 143',
        'EARLYOOM_NAME=leak',
        'EARLYOOM_PID=of the leak',
        'EARLYOOM_UID=0',
        ...(name === 'oomscope' ? ['before: it lives'] : []),
        'mem avail: …',
        'low memory! at or below SIGTERM limits: mem 30.00%, swap 10.00%',
        'sending SIGTERM to process PID uid 0 "leak": oom_score #, VmRSS # MiB, cmdline "load leak 32"',
        'kill_release: …',
        'process PID exited after # seconds',
        '',
      ]);
    },
  );
});
