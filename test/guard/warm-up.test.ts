import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { hook } from '../../src/guard/ladder/hook.ts';
import { Sampler } from '../../src/guard/senses/sampler.ts';
import { warmUpGuard } from '../../src/guard/warm-up.ts';

const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

/** Records the pids that were read. */
class Watched extends Sampler {
  readonly pidsRead = new Set<number>();
  override process(pid: number) {
    this.pidsRead.add(pid);
    return super.process(pid);
  }
}

const sleepers = () =>
  readdirSync('/proc/self/task')
    .flatMap((tid) => readFileSync(`/proc/self/task/${tid}/children`, 'utf8').split(' '))
    .filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n');

it('kills one child with SIGTERM and one with SIGKILL, and leaves no process running', async () => {
  using machine = new Watched({ rules: [] });
  expect(await warmUpGuard(machine, hook)).toEqual(['SIGTERM', 'SIGKILL']);
  expect(machine.pidsRead.size).toBe(2);
  for (const pid of machine.pidsRead) expect(machine.process(pid)).toBeUndefined();
  expect(sleepers()).toEqual([]);
});

it('does nothing when the program for the child is not installed', async () => {
  process.env.PATH = '/nowhere';
  using machine = new Watched({ rules: [] });
  expect(await warmUpGuard(machine, hook)).toEqual([]);
  expect(machine.pidsRead.size).toBe(0);
});
