/**
 * Counts in which of 126 shortages beside the guard with its default rules an innocent process is lost, to the guard or
 * to the kernel. 81 are of a cgroup and 45 of the whole system, with layouts drawn by a seed.
 *
 *   npm run prove:shortages -- [--fresh] [--part PART]... [--write]
 */
import { ACTOR, buildActor } from '../../test/kernel/actors.ts';
import { isRight, type Shortage } from '../../test/kernel/shortage.ts';
import { NODE } from '../../test/lab/runs.ts';
import { table } from '../bench/report.ts';
import { bootGuest, type GuestOptions, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';
import { FORKS_FROM, type Scope } from './shortages/layouts.ts';

interface Figures {
  kernel: string;
  shortages: Shortage[];
}

type Guest = Pick<GuestOptions, 'kernel' | 'memoryMib' | 'swap' | 'swapMib'>;

/** Each guest makes three shortages, one after another, or four leaks of shared memory. */
const EACH = 3;
const EACH_SHARED = 4;
const KERNELS = ['6.12', '7.2', '6.1'];
/** The seeds up to 600 that draw the fastest leaks of shared memory in a whole system of this size, the fastest first. */
const SHARED = [488, 549, 343, 185, 522, 142, 179, 380, 229, 455, 564, 401];
const following = (first: number) => Array.from({ length: EACH }, (_, i) => first + i);
const kernelOf = (i: number) => KERNELS[i % KERNELS.length] as string;
const plans: { scope: Scope; seeds: number[]; guest: Guest }[] = [
  ...Array.from({ length: 24 }, (_, i) => ({
    ...{ scope: 'cgroup' as const, seeds: following(1 + EACH * i) },
    guest: { kernel: kernelOf(i), memoryMib: 768 },
  })),
  ...Array.from({ length: 10 }, (_, i) => ({
    ...{ scope: 'system' as const, seeds: following(101 + EACH * i) },
    guest: { kernel: kernelOf(i), memoryMib: 512, ...(i === 3 && { swap: 'zram' as const, swapMib: 128 }) },
  })),
  ...Array.from({ length: SHARED.length / EACH_SHARED }, (_, i) => ({
    ...{ scope: 'system' as const, seeds: SHARED.slice(EACH_SHARED * i, EACH_SHARED * (i + 1)) },
    guest: { kernel: kernelOf(i + 2), memoryMib: 512 },
  })),
  ...KERNELS.map((kernel, i) => ({
    ...{ scope: 'cgroup' as const, seeds: following(FORKS_FROM + EACH * i) },
    guest: { kernel, memoryMib: 768 },
  })),
  { scope: 'system', seeds: following(FORKS_FROM + 100), guest: { kernel: '7.2', memoryMib: 512 } },
];

async function shortages(scope: Scope, seeds: readonly number[], guest: Guest): Promise<Figures> {
  buildActor();
  const result = await bootGuest({
    ...{ ...guest, cpus: 1, virtualTime: true, limitSeconds: 900, files: { '/bin/actor': ACTOR } },
    command: [...NODE, 'test/lab/shortages.ts', scope, ...seeds.map(String)],
    onStdout: (chunk) => process.stderr.write(chunk),
  });
  const lines = result.stdout.split('\n').filter((line) => line.startsWith('{'));
  const made = lines.map((line) => JSON.parse(line) as Shortage | { seed: number; error: string });
  if (made.length < seeds.length)
    throw new Error(`${made.length} of ${seeds.length}:\n${result.stderr}\n${lastLines(result)}`);
  const wrong = made.filter((one) => 'error' in one || !isRight(one));
  if (wrong.length > 0) throw new Error(wrong.map((one) => JSON.stringify(one)).join('\n'));
  return { kernel: result.kernel.version, shortages: made as Shortage[] };
}

const unique = (kinds: readonly string[]) => [...new Set(kinds)].join(', ');

await prove<Figures>({
  name: 'shortages',
  claim:
    'Beside the guard with its default rules no innocent process is lost, neither to the guard nor to the kernel, in 81 shortages of a cgroup and 45 of the whole system, with layouts drawn by a seed from the processes of scripts/prove/shortages/actor.c.',
  parts: plans.map(({ scope, seeds, guest }) => ({
    name: `${scope}-${seeds[0]}`,
    run: () => shortages(scope, seeds, guest),
  })),
  render: (parts) =>
    table([
      ['seed', 'Linux', 'MiB', 'innocent', 'eater', 'lost', 'by the kernel', 'guard'],
      ...parts.flatMap(({ figures }) =>
        (figures?.shortages ?? []).map((one) => [
          ...[`${one.scope} ${one.seed}`, (figures?.kernel ?? '').split('-')[0] ?? '', String(one.roomMib)],
          ...[unique(one.innocents.map(({ kind }) => kind)), unique(one.eaters.map(({ kind }) => kind)) || 'none'],
          ...[String(one.lost.length), String(one.kernelKills), unique(one.guard)],
        ]),
      ),
    ]),
});
