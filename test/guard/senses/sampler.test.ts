import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { createMemoryGroup, removeMemoryGroups } from '../../../scripts/memory-cgroup.ts';
import { FOLLOW_MS } from '../../../src/guard/rules/pace.ts';
import { Sampler } from '../../../src/guard/senses/sampler.ts';
import { detector, MIB, rule } from '../rules/world.ts';

const GROWING = `
const kept = [];
process.stdin.once('data', () => setInterval(() => kept.length < 60 && kept.push(Buffer.alloc(2 ** 20, 1)), 40));
console.log('ready');`;

afterAll(removeMemoryGroups);

it('the first sample of all processes has their growth if a rule ranks by it and memory shrinks', async () => {
  const group = createMemoryGroup({ limitBytes: 200 * MIB });
  const child = spawn(process.execPath, ['-e', GROWING], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    writeFileSync(`${group.path}/cgroup.procs`, String(child.pid));
    child.stdin.write('go\n');
    const by = (rank: 'projected' | 'rss', least: number) =>
      rule({
        on: [{ kind: 'cgroup', glob: group.cgroupPath }],
        when: [detector({ name: 'available' }, '<=', least)],
        rank,
      });
    using follows = new Sampler({ rules: [by('projected', 50)] });
    using otherwise = new Sampler({ rules: [by('rss', 50)] });
    using farFrom = new Sampler({ rules: [by('projected', 1)] });
    for (let i = 0; i < 6; i++) {
      for (const sampler of [follows, otherwise, farFrom]) sampler.levels();
      await sleep(FOLLOW_MS);
    }
    const growthOf = (sampler: Sampler) =>
      sampler.whole().processes?.find(({ pid }) => pid === child.pid)?.growth_bytes_per_second;
    expect(growthOf(follows)).toBeGreaterThan(2 ** 20);
    expect(growthOf(otherwise)).toBeNull();
    expect(growthOf(farFrom)).toBeNull();
  } finally {
    child.kill('SIGKILL');
  }
});
