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

/** @param without the capability that is left out; undefined: none, and then everything must work */
async function run(kernel: string, without?: string): Promise<Rights> {
  const set = all.filter((name) => name !== without).join(',');
  const command = [...NODE, 'test/lab/unit-rights.ts', set];
  const result = await bootGuest({ kernel, memoryMib: 768, virtualTime: true, limitSeconds: 1500, command });
  if (result.timedOut || result.panicked || result.exitCode !== 0) throw new Error(result.stderr || lastLines(result));
  const rights = JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '') as Rights;
  const works =
    rights.raised && rights.exe !== null && rights.killed === 'killed' && rights.reloaded && rights.code === 0;
  if (without === undefined && !works) throw new Error(`expected everything to work: ${JSON.stringify(rights)}`);
  return rights;
}

const yes = (is: boolean) => (is ? 'yes' : 'no');

await prove<Rights>({
  name: 'rights',
  claim:
    'With the capabilities of its unit, `oomscope run` arms, raises, kills and restores a process of another user, names its program, reloads, and ends with code 0. The other rows leave one capability out.',
  parts: kernels().flatMap(({ name }) => [
    { name: `${name} with all`, run: () => run(name) },
    ...all.map((capability) => ({ name: `${name} without ${capability}`, run: () => run(name, capability) })),
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
      ...parts.map(({ name, figures }) => [
        name,
        ...(figures
          ? [
              yes(figures.code === 0),
              yes(figures.raised),
              yes(figures.exe !== null),
              yes(figures.killed === 'killed'),
              yes(figures.reloaded),
              yes(figures.after === 0),
              `${figures.seconds.start}, ${figures.seconds.raise}, ${figures.seconds.reload}`,
              figures.kept.join(' '),
            ]
          : Array(8).fill('-')),
      ]),
    ]),
});
