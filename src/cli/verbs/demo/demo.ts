import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { byDefault, duration, flag, size, usage } from '../../verb/options.ts';

const MIB = 2 ** 20;
const MOST_LIMIT = 1024 * MIB;
const LEAST_LIMIT = 4 * MIB;

const options = {
  limit: byDefault('64M', size('SIZE', "the cgroup's memory limit, from 4M to 1G")),
  slow: flag(
    'take half a minute: in the cgroup /shop, with a limit of 128 MiB, "postgres" holds 72 MiB and "cache-builder" grows by 2 MiB/s, until the kernel kills the larger one, postgres, or until another program (`oomscope guard`) ends cache-builder',
  ),
  memload: flag('grow until --duration is over or the process is killed, to try alerts and the guard'),
  rate: byDefault('2M', size('SIZE', 'with --memload: growth in a second')),
  duration: byDefault('1m', duration('TIME', 'with --memload: end the process after this time')),
};

export const verb = defineVerb({
  description: [
    'Makes a real OOM kill, for trying `trace`, alerts and the guard: makes a small memory cgroup, lets a process fill it until the OOM killer of the kernel kills the process, and removes the cgroup. Nothing outside that cgroup can run out of memory. Needs root.',
  ],
  options,
  format: 'raw',
  examples: [
    { command: 'sudo oomscope demo', about: 'One kill, in a cgroup of 64 MiB.' },
    { command: 'sudo oomscope demo --slow', about: 'Half a minute in which memory becomes short, and then a kill.' },
    {
      command: 'sudo oomscope demo --memload --limit 256M --rate 4M',
      about: 'A growing load, which `oomscope pressure` shows and the guard can end.',
    },
  ],
  exits: {
    ok: 'the kernel killed the process, another program ended the process before, or --duration is over',
    failed: 'none of these happened',
    usage: true,
    unavailable: true,
    noPermission: 'no memory cgroup can be made here',
  },
  run,
});

async function run({ given }: Context<typeof options>): Promise<number> {
  const limitBytes = given.limit ?? 64 * MIB;
  if (limitBytes < LEAST_LIMIT || limitBytes > MOST_LIMIT) throw usage('--limit: expected a size from 4M to 1G.');
  if (given.slow && (given.memload || given.limit !== undefined)) {
    throw usage('--slow: expected neither --memload nor --limit beside it.');
  }
  if (!given.memload && (given.rate !== undefined || given.duration !== undefined)) {
    throw usage('--rate and --duration: expected --memload beside them.');
  }
  const { runFast, runMemload, runSlow } = await import('./scenes.ts');
  if (given.slow) return runSlow();
  if (!given.memload) return runFast(limitBytes);
  return runMemload(limitBytes, given.rate ?? 2 * MIB, given.duration ?? 60_000);
}
