/**
 * Proves that the capabilities of the systemd unit are enough on every kernel of the lab, and shows what does not work
 * without each of them.
 *
 *   npm run prove:rights -- [--fresh] [--part PART]... [--write]
 */
import { type Feature, rightsFor } from '../../src/linux/rights.ts';
import { NODE } from '../../test/lab/runs.ts';
import type { Rights } from '../../test/lab/unit-rights.ts';
import { table } from '../bench/report.ts';
import { bootGuest, kernels, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';

const all = rightsFor(new Set<Feature>(['watching', 'guarding', 'arming'])).map(({ capability }) => capability);

/** How many daemons one guest starts, one after another: most of a part's time is the boot and the first start. */
const DAEMONS = 3;

const setWithout = (without?: string) => all.filter((name) => name !== without).join(',');

/** Starts a daemon with each of these sets of capabilities, in one guest. */
async function run(kernel: string, sets: readonly string[]): Promise<Rights[]> {
  const command = [...NODE, 'test/lab/unit-rights.ts', ...sets];
  const result = await bootGuest({ kernel, memoryMib: 768, cpus: 1, virtualTime: true, limitSeconds: 1500, command });
  if (result.timedOut || result.panicked || result.exitCode !== 0) throw new Error(result.stderr || lastLines(result));
  return result.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Rights);
}

async function withAll(kernel: string): Promise<Rights[]> {
  const [rights] = await run(kernel, [setWithout()]);
  const works =
    rights?.raised && rights.exe !== null && rights.killed === 'killed' && rights.reloaded && rights.code === 0;
  if (!works) throw new Error(`expected everything to work: ${JSON.stringify(rights)}`);
  return [rights];
}

/** The capabilities in groups, one for each guest. */
const groups = all.flatMap((_, index) => (index % DAEMONS === 0 ? [all.slice(index, index + DAEMONS)] : []));

const yes = (is: boolean) => (is ? 'yes' : 'no');

await prove<Rights[]>({
  name: 'rights',
  claim:
    'With the capabilities of its unit, `oomscope run` arms, raises, kills and restores a process of another user, names its program, reloads, and ends with code 0. The other rows leave one capability out.',
  parts: kernels().flatMap(({ name }) => [
    { name: `${name} with all`, run: () => withAll(name) },
    ...groups.map((group) => ({
      name: `${name} without ${group.join(', ')}`,
      run: () => run(name, group.map(setWithout)),
    })),
  ]),
  render: (parts) =>
    table([
      [
        '',
        'started',
        'raised',
        'exe known',
        'killed',
        'reloaded',
        'restored',
        'start, raise, reload (s)',
        'kept after it',
      ],
      ...parts.flatMap(({ name, figures }) =>
        figures === null ? [[name, ...Array(8).fill('-')]] : figures.map((each) => row(name.split(' ')[0] ?? '', each)),
      ),
    ]),
});

function row(kernel: string, rights: Rights): string[] {
  const missing = all.filter((name) => !rights.capabilities.includes(name));
  const label = `${kernel} ${missing.length === 0 ? 'with all' : `without ${missing.join(', ')}`}`;
  const started = rights.code === 0;
  if (!started) return [label, `no, exit ${rights.code}`, ...Array(7).fill('-')];
  return [
    ...[label, 'yes', yes(rights.raised), yes(rights.exe !== null), yes(rights.killed === 'killed')],
    ...[yes(rights.reloaded), rights.raised ? yes(rights.after === 0) : '-'],
    `${rights.seconds.start}, ${rights.seconds.raise}, ${rights.seconds.reload}`,
    rights.kept.join(' '),
  ];
}
