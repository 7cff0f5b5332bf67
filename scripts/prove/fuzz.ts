/**
 * Fuzzes the readers of foreign bytes, guided by the code that the inputs reach.
 *
 *   npm run prove:fuzz -- [--seconds 60] [--seed 1] [--fresh] [--part TARGET]... [--write]
 *
 * Small inputs that reach new code are kept in test/fixtures/fuzz, where the tests read them, too. A part fails if a
 * target throws, or takes 2 s of CPU time for an input. The input that a target reads now is in a file, whose path is
 * printed at the start: if a part hangs, this input is the reason.
 */

import { createHash } from 'node:crypto';
import { ftruncateSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Fuzzed, fuzz } from '../../test/fuzz/guided.ts';
import { saved, seeds } from '../../test/fuzz/seeds.ts';
import { targets } from '../../test/fuzz/targets.ts';
import { proofOptions, prove } from './proof.ts';

const KEPT = resolve(import.meta.dirname, '../../test/fixtures/fuzz');
/** Larger inputs are not kept, so that the repository stays small. */
const MOST_KEPT_BYTES = 2048;
const MOST_KEPT = 25;

type Figures = Omit<Fuzzed, 'kept'> & { seconds: number; seed: number; kept: number };

async function run(target: string, seconds: number, seed: number): Promise<Figures> {
  const current = join(tmpdir(), `oomscope-fuzz-${target}-${process.pid}`);
  process.stderr.write(`prove: the current input is in ${current}\n`);
  const file = openSync(current, 'w', 0o600);
  const before = (input: Buffer) => {
    writeSync(file, input, 0, input.length, 0);
    ftruncateSync(file, input.length);
  };
  const own = seeds()[target] ?? [];
  const { kept, ...figures } = await fuzz(targets[target] ?? fail(target), {
    seeds: [...own, ...saved(target)],
    seed,
    seconds,
    before,
  });
  rmSync(current);
  keep(
    target,
    kept.filter((input) => !own.includes(input)),
  );
  return { ...figures, seconds, seed, kept: kept.length };
}

function fail(target: string): never {
  throw new Error(`there is no target ${target}`);
}

/** Keeps inputs for the tests, evenly chosen among the small ones. */
function keep(target: string, found: Buffer[]): void {
  const directory = join(KEPT, target);
  mkdirSync(directory, { recursive: true });
  const room = Math.max(0, MOST_KEPT - readdirSync(directory).length);
  const small = found.filter(({ length }) => length <= MOST_KEPT_BYTES);
  const step = Math.max(1, Math.floor(small.length / Math.max(1, room)));
  for (const input of small.filter((_, i) => i % step === 0).slice(0, room)) {
    writeFileSync(join(directory, createHash('sha256').update(input).digest('hex').slice(0, 16)), input);
  }
}

const { values } = parseArgs({
  options: { ...proofOptions, seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
if (!(seconds >= 1)) throw new Error(`--seconds: expected at least 1, got ${values.seconds}`);

await prove<Figures>(
  {
    name: 'fuzz',
    claim:
      'The decoder of records, the parser of kernel logs, the reader of configurations, and the client of container runtimes read any bytes: none throws an unexpected error, hangs, or prints a control character. A fuzzer that is guided by the coverage of V8 searches for such bytes.',
    parts: Object.keys(targets).map((name) => ({ name, run: () => run(name, seconds, seed) })),
    render: (parts) =>
      parts
        .map(({ name, figures }) =>
          figures
            ? `${name}: ${figures.runs} inputs in ${figures.seconds} s with seed ${figures.seed}; ${figures.features} features (a block of the code, and how often one input reaches it), ${figures.kept} inputs reached a new one; slowest ${figures.slowestCpuMs.toFixed(0)} ms of CPU\n`
            : '',
        )
        .join(''),
  },
  values,
);
