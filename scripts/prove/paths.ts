/**
 * Proves that the path of a cgroup is whole, and its container right, in a thousand kills in cgroups with long, deep and
 * hostile names.
 *
 *   npm run prove:paths -- [--fresh] [--part PART]... [--write]
 */
import { type HostileFigures, hostileKills } from '../../test/kernel/hostile-groups.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';

const KILLS = 100;
/** Kills of one part in a guest, where everything takes some ten times as long. */
const GUEST_KILLS = 25;
const guests = [
  { kernel: '5.10', cgroup: 'v1', virtualTime: false },
  { kernel: '6.12', cgroup: 'v2', virtualTime: true },
] as const;

async function inGuest(guest: (typeof guests)[number], seed: number): Promise<HostileFigures> {
  const command = ['node', '--experimental-strip-types', 'test/lab/paths.ts', String(seed), String(GUEST_KILLS)];
  const result = await bootGuest({ ...guest, memoryMib: 1024, limitSeconds: 1500, command });
  if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${lastLines(result)}`);
  return JSON.parse(result.stdout) as HostileFigures;
}

await prove<HostileFigures>({
  name: 'paths',
  claim:
    'An `oom.kill` has the whole path of its cgroup, byte for byte, the right container and pod, and passes exactly the filters that name it: with names of 255 bytes, dozens of levels, control characters, quotes, escapes and bytes that are not UTF-8.',
  parts: [
    ...Array.from({ length: 10 }, (_, i) => ({ name: `here-${i + 1}`, run: () => hostileKills(i + 1, KILLS) })),
    ...guests.flatMap((guest, i) =>
      Array.from({ length: KILLS / GUEST_KILLS }, (_, n) => ({
        name: `${guest.kernel}-${guest.cgroup}-${n + 1}`,
        run: () => inGuest(guest, 100 + 10 * i + n),
      })),
    ),
  ],
  render(parts) {
    const figures = parts.flatMap((part) => part.figures ?? []);
    const sum = (of: (one: HostileFigures) => number) => figures.reduce((total, one) => total + of(one), 0);
    const most = (of: (one: HostileFigures) => number) => Math.max(0, ...figures.map(of));
    return [
      `${sum(({ kills }) => kills)} kills, ${sum(({ containers }) => containers)} of them in containers; no difference`,
      `deepest path ${most(({ deepest }) => deepest)} levels below its limit, longest name ${most(({ longestName }) => longestName)} bytes,`,
      `longest path ${most(({ longestPath }) => longestPath)} bytes; ${sum(({ notUtf8 }) => notUtf8)} paths are not UTF-8`,
      '',
    ].join('\n');
  },
});
