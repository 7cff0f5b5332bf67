/**
 * Proves that tracers and ring readers that are opened and closed many times leave no resources behind in the process.
 *
 *   npm run prove:lifecycle -- [--fresh] [--part PART]... [--write]
 */
import { startChild } from '../../test/kernel/children/child.ts';
import { type LifecycleState, lifecycleFaults } from '../../test/kernel/lifecycle-state.ts';
import { table } from '../bench/report.ts';
import { prove } from './proof.ts';

const COUNTS = { tracers: 2000, readers: 10_000 };

interface Figures {
  what: string;
  count: number;
  quarters: LifecycleState[];
}

async function openAndClose(what: keyof typeof COUNTS): Promise<Figures> {
  const count = COUNTS[what];
  const args = [String(what === 'tracers' ? count : 4), String(what === 'readers' ? count : 4)];
  const { code, said, stderr } = await startChild('lifecycle', args, ['--expose-gc']).ended;
  if (code !== 0 || stderr !== '') throw new Error(`expected the process to exit with code 0, got ${code}: ${stderr}`);
  const [tracers, , readers] = said as [LifecycleState[], unknown, LifecycleState[]];
  const quarters = what === 'tracers' ? tracers : readers;
  const faults = lifecycleFaults(quarters, count);
  if (faults.length > 0) throw new Error(faults.join('; '));
  return { what, count, quarters };
}

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

await prove<Figures>({
  name: 'lifecycle',
  claim:
    'Opening and closing tracers and ring readers leaves no descriptor, thread, BPF object or growing JavaScript heap behind.',
  parts: [
    { name: 'tracers', run: () => openAndClose('tracers') },
    { name: 'readers', run: () => openAndClose('readers') },
  ],
  render: (parts) =>
    table([
      ['after', 'descriptors', 'threads', 'resident MiB', 'heap MiB'],
      ...parts.flatMap(({ figures }) =>
        (figures?.quarters ?? []).map((state, i) => [
          `${((figures?.count ?? 0) * (i + 1)) / 4} ${figures?.what}`,
          String(state.fds),
          String(state.threads),
          mib(state.rssBytes),
          mib(state.heapBytes),
        ]),
      ),
    ]),
});
