/**
 * Compares `guard --as-earlyoom` with the real earlyoom, each in its own guest: victims, and environment of the hooks.
 */
import { join, resolve } from 'node:path';
import { describe, test } from 'vitest';
import { buildPrograms } from '../../scripts/bench/rescue/run.ts';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';

const BUILD = resolve(import.meta.dirname, '../../build');
/** Debian's version of earlyoom does not have -P yet. */
const killers = { earlyoom: '/bin/earlyoom', oomscope: 'oomscope guard --as-earlyoom -P /tmp/before' };

/** A leaking process beside a larger one that `--avoid` names. */
const script = (killer: string) => `
printf '#!/bin/sh\\nenv | grep ^EARLYOOM_ >/tmp/after.env\\n' >/tmp/hook
printf '#!/bin/sh\\nkill -0 $EARLYOOM_PID && echo "before: it lives" >/tmp/before.env\\n' >/tmp/before
chmod +x /tmp/hook /tmp/before
load hold 150 >/tmp/hold & hold=$!
${killer} -r 0 -m 30,10 --avoid '^hold$' -N /tmp/hook >/tmp/killer 2>&1 & killer=$!
until grep -q ready /tmp/hold && grep -q 'SIGKILL when' /tmp/killer; do sleep 0.1; done
sleep 5
load leak 32 & leak=$!
wait $leak; echo "leak: $?"
for i in $(seq 40); do [ -s /tmp/after.env ] && break; sleep 0.5; done
kill -0 $hold && echo 'hold lives'
kill $killer
sed "s/=$leak$/=of the leak/" /tmp/after.env | grep -v CMDLINE | sort
cat /tmp/before.env`;

describe('as earlyoom', () => {
  // earlyoom and oomscope wait 200 ms for the hook. On a busy host the hook may start later and find the process dead:
  // retry.
  test.concurrent.for(Object.entries(killers))(
    '%s',
    { timeout: 200_000, retry: 2 },
    async ([name, killer], { expect }) => {
      buildPrograms();
      const files = {
        '/bin/load': join(BUILD, 'bench/load'),
        '/bin/earlyoom': join(BUILD, 'packages/usr/bin/earlyoom'),
      };
      const command = ['sh', '-c', script(killer)];
      const result = await bootGuest({ kernel: '6.12', memoryMib: 512, cpus: 1, limitSeconds: 180, files, command });
      expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
      expect(result.stdout.split('\n')).toEqual([
        'leak: 143', // SIGTERM
        'hold lives',
        'EARLYOOM_NAME=leak',
        'EARLYOOM_PID=of the leak',
        'EARLYOOM_UID=0',
        ...(name === 'oomscope' ? ['before: it lives'] : []),
        '',
      ]);
    },
  );
});
