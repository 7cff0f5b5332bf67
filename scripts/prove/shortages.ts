/**
 * Proves that the guard with its default rules kills no innocent process in 102 shortages, 72 of a cgroup and 30 of the
 * whole system, whose layouts are drawn by a seed.
 *
 *   npm run prove:shortages -- [--fresh] [--part PART]... [--write]
 */
import { ACTOR, buildActor } from '../../test/kernel/actors.ts';
import { isRight, type Shortage } from '../../test/kernel/shortage.ts';
import { NODE } from '../../test/lab/runs.ts';
import { table } from '../bench/report.ts';
import { bootGuest, type GuestOptions, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';
import type { Scope } from './shortages/layouts.ts';

interface Figures {
  kernel: string;
  shortages: Shortage[];
}

type Guest = Pick<GuestOptions, 'kernel' | 'memoryMib' | 'swap' | 'swapMib'>;

/** Each guest makes three shortages, one after another. */
const EACH = 3;
const KERNELS = ['6.12', '7.2', '6.1'];
const plans: { scope: Scope; first: number; guest: Guest }[] = [
  ...Array.from({ length: 24 }, (_, i) => ({
    ...{ scope: 'cgroup' as const, first: 1 + EACH * i },
    guest: { kernel: KERNELS[i % KERNELS.length] as string, memoryMib: 768 },
  })),
  ...Array.from({ length: 10 }, (_, i) => ({
    ...{ scope: 'system' as const, first: 101 + EACH * i },
    guest: {
      ...{ kernel: KERNELS[i % KERNELS.length] as string, memoryMib: 512 },
      ...(i === 3 && { swap: 'zram' as const, swapMib: 128 }),
    },
  })),
];

async function shortages(scope: Scope, first: number, guest: Guest): Promise<Figures> {
  buildActor();
  const result = await bootGuest({
    ...{ ...guest, cpus: 1, virtualTime: true, limitSeconds: 900, files: { '/bin/actor': ACTOR } },
    command: [...NODE, 'test/lab/shortages.ts', scope, String(first), String(EACH)],
    onStdout: (chunk) => process.stderr.write(chunk),
  });
  const lines = result.stdout.split('\n').filter((line) => line.startsWith('{'));
  const made = lines.map((line) => JSON.parse(line) as Shortage | { seed: number; error: string });
  if (made.length < EACH) throw new Error(`${made.length} of ${EACH}:\n${result.stderr}\n${lastLines(result)}`);
  const wrong = made.filter((one) => 'error' in one || !isRight(one));
  if (wrong.length > 0) throw new Error(wrong.map((one) => JSON.stringify(one)).join('\n'));
  return { kernel: result.kernel.version, shortages: made as Shortage[] };
}

const unique = (kinds: readonly string[]) => [...new Set(kinds)].join(', ');

await prove<Figures>({
  name: 'shortages',
  claim:
    'With its default rules the guard kills no innocent process: 72 shortages of a cgroup and 30 of the whole system, with layouts drawn by a seed from the processes of scripts/prove/shortages/actor.c.',
  parts: plans.map(({ scope, first, guest }) => ({
    name: `${scope}-${first}`,
    run: () => shortages(scope, first, guest),
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
