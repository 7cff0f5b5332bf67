/**
 * Proves that no signal reaches a process that reuses the pid of the chosen process. Processes are chosen and
 * signalled in a guest with few pids.
 *
 *   npm run prove:reuse -- [--fresh] [--part PART]... [--write]
 */

import type { Reuse } from '../../test/lab/reuse.ts';
import { NODE } from '../../test/lab/runs.ts';
import { table } from '../bench/report.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';

const PARTS = 10;
const PROCESSES = 10_000;

async function torture(): Promise<Reuse> {
  const command = [...NODE, 'test/lab/reuse.ts', String(PROCESSES)];
  const result = await bootGuest({ kernel: '7.2', memoryMib: 1024, limitSeconds: 600, command });
  if (result.timedOut || result.panicked) throw new Error(lastLines(result));
  const line = result.stdout.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`exit ${result.exitCode}: ${result.stderr}`);
  const reuse = JSON.parse(line) as Reuse;
  if (reuse.wrong.length > 0) throw new Error(`killed though not chosen: ${reuse.wrong.join('; ')}`);
  if (reuse.reused === 0)
    throw new Error('expected the kernel to reuse some pids, but it reused none, so this run shows nothing');
  return reuse;
}

await prove<Reuse>({
  name: 'reuse',
  claim:
    'A signal never reaches a process that reuses the pid of the chosen process. Shown in a guest with 430 pids, for signals by arming and for direct signals.',
  parts: Array.from({ length: PARTS }, (_, i) => ({ name: `guest-${i + 1}`, run: torture })),
  render: (parts) =>
    table([
      ['', 'processes', 'chosen', 'pid was reused', 'died of a signal', 'of them not chosen'],
      ...parts.map(({ name, figures }) => [
        name,
        ...(figures
          ? [figures.processes, figures.chosen, figures.reused, figures.killed, figures.wrong.length].map(String)
          : ['-', '-', '-', '-', '-']),
      ]),
    ]),
});
