import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FOLLOW_MS } from '../../src/policy/pace.ts';
import { Sampler } from '../../src/sources/sampler.ts';
import { rule } from '../policy/world.ts';

const GROWING = `
const kept = [];
setInterval(() => kept.length < 60 && kept.push(Buffer.alloc(2 ** 20, 1)), 40);
console.log('ready');`;

it('knows who grows at the first whole look, where a rule ranks by it', async () => {
  const child = spawn(process.execPath, ['-e', GROWING], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    using follows = new Sampler({ rules: [rule({ rank: 'growth' })] });
    using other = new Sampler({ rules: [rule({ rank: 'rss' })] });
    for (let i = 0; i < 5; i++) {
      follows.levels();
      other.levels();
      await sleep(FOLLOW_MS);
    }
    const growthOf = (sampler: Sampler) =>
      sampler.whole().processes?.find(({ pid }) => pid === child.pid)?.growth_bytes_per_second;
    expect(growthOf(follows)).toBeGreaterThan(2 ** 20);
    expect(growthOf(other)).toBeNull();
  } finally {
    child.kill('SIGKILL');
  }
});
