/**
 * Early kills in two guests: in Linux 7.2 the BPF program sends the signal, in 5.10 the addon does. `npm run
 * prove:reuse` is the long run with reused pids.
 */
import { describe, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { Early } from './early.ts';
import type { Reuse } from './reuse.ts';
import { NODE } from './runs.ts';

const node = NODE.join(' ');
const script = `${node} test/lab/early.ts; ${node} test/lab/reuse.ts 2000`;

describe('an early kill in a guest', () => {
  const backends = { '7.2': 'bpf', '5.10': 'addon' };
  test.concurrent.for(Object.entries(backends))(
    'Linux %s: by %s',
    { timeout: 300_000 },
    async ([kernel, backend], { expect }) => {
      const result = await bootGuest({ kernel, memoryMib: 512, limitSeconds: 280, command: ['sh', '-c', script] });
      expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
      const said = result.stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Early | Reuse);

      const early = said.filter((one) => 'scope' in one);
      expect(early.map(({ scope }) => scope)).toEqual(['cgroup', 'system']);
      for (const one of early) expect.soft(one).toMatchObject({ backend, ended: 'SIGKILL' });
      // On an emulated CPU the thread of the addon may be late; the BPF program is never late.
      const [cgroup, system] = early;
      if (backend === 'bpf') {
        expect.soft(cgroup).toMatchObject({ kernelKills: 0, byOomKiller: [false], adjustment: 'raised' });
        expect.soft(cgroup?.fired).toMatchObject([{ by: backend, outcome: 'signalled', error: null }]);
        expect.soft(system?.fired).toMatchObject([{ by: backend, outcome: 'signalled', error: null }]);
      }

      const [reuse] = said.filter((one) => 'processes' in one);
      if (reuse === undefined) throw new Error(`exit ${result.exitCode}: ${result.stderr}\n${lastLines(result)}`);
      expect(reuse).toMatchObject({ processes: 2000, backend, wrong: [] });
      expect(reuse.signalled).toBeGreaterThan(10);
      expect(reuse.reused).toBeGreaterThan(0); // otherwise the test shows nothing
    },
  );
});
