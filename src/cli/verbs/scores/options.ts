/** The options of `oomscope scores`, and the query that is made from them. */
import type { ScoreSort, ScoresOptions } from '../../../scores/score-sampler.ts';
import { cgroupMatch, globMatch } from '../../../text/glob.ts';
import { byDefault, count, duration, flag, oneOf, several, text, usage, type Values } from '../../verb/options.ts';

const sorts: readonly ScoreSort[] = ['badness', 'memory', 'swap', 'growth', 'adj'];

export const options = {
  cgroup: several(text('GLOB', 'only processes in this cgroup or below it')),
  'at-limit': flag(
    'rank for an OOM at the limit of the cgroup of --cgroup (its own limit, or the nearest above it), not for an OOM of the whole system',
  ),
  comm: several(text('GLOB', 'only processes of this name')),
  threshold: count('PERMILLE', 'only processes that use at least this many thousandths of the memory'),
  spared: flag('also list processes that the kernel never kills'),
  top: byDefault('10; with --watch as many as fit', count('N', 'how many processes to list')),
  sort: byDefault('badness, the order in which the kernel would kill', oneOf('BY', 'sort by one of', sorts)),
  watch: flag('sample repeatedly: a live view on a terminal, JSON Lines elsewhere'),
  interval: byDefault('1s', duration('TIME', 'interval of --watch, at least 50ms')),
  duration: duration('TIME', 'end --watch after this time'),
  proc: flag('read /proc, even if a BPF iterator would be faster'),
};

export type ScoresGiven = Values<typeof options>;

export interface Wanted extends ScoresOptions {
  top: number;
  sort: ScoreSort;
  spared: boolean;
}

/** @throws OomscopeError USAGE */
export function wantedBy(given: ScoresGiven): Wanted {
  const domain = given['at-limit'] ? domainOf(given.cgroup) : undefined;
  return {
    top: given.top ?? 10,
    sort: given.sort ?? 'badness',
    spared: given.spared ?? false,
    ...(domain !== undefined && { domain }),
    ...(given.proc && { backend: 'proc' as const }),
    filter: ({ memory_per_mille, comm, cgroup }) =>
      memory_per_mille >= (given.threshold ?? 0) &&
      (given.comm.length === 0 || given.comm.some((glob) => globMatch(glob, comm))) &&
      (domain !== undefined ||
        given.cgroup.length === 0 ||
        (cgroup !== null && given.cgroup.some((glob) => cgroupMatch(glob, cgroup)))),
  };
}

/** The path of the one cgroup whose limit --at-limit refers to. */
function domainOf(globs: readonly string[]): string {
  const [path] = globs;
  if (path === undefined || globs.length > 1 || /[*?]/.test(path)) {
    throw usage(
      `--at-limit: expected one --cgroup without wildcards, got ${globs.length === 0 ? 'none' : globs.join(', ')}.`,
    );
  }
  return path;
}
