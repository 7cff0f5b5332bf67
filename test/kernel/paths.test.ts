/** Kills in cgroups whose paths are long, deep and hostile. `npm run prove:paths` makes a thousand of them. */
import { afterEach, describe, expect, it } from 'vitest';
import { hostileKills } from './hostile-groups.ts';
import { createMemoryGroup, MIB, oomKill, removeMemoryGroups, startHog } from './memcg.ts';
import { Recorder } from './recorder.ts';

describe('the cgroup of a kill', () => {
  afterEach(removeMemoryGroups);

  it('has its whole path, its container and its pod, whatever its names and its depth', async () => {
    const figures = await hostileKills(1, 40);
    expect(figures.kills).toBe(40);
    expect(figures.deepest).toBeGreaterThan(15);
    expect(figures.longestName).toBe(255);
  }, 120_000);

  it('has the whole path 200 levels deep', async () => {
    using recorder = await Recorder.open();
    let group = createMemoryGroup({ limitBytes: 16 * MIB });
    for (let i = 0; i < 200; i++) group = group.child(`level-${i}`);
    const { pid } = await oomKill({ group });
    const kill = await recorder.kill(pid);
    expect(kill.victim.cgroup).toBe(group.cgroupPath);
    expect(kill.missing).not.toContain('victim.cgroup');
  });

  it('is known for each candidate, with its container', async () => {
    using recorder = await Recorder.open({ candidates: 'always', containers: false });
    const limited = createMemoryGroup({ limitBytes: 64 * MIB });
    const ids = ['a', 'b'].map((digit) => digit.repeat(64));
    const holders = ids.map((id) => startHog(limited.child(`docker-${id}.scope`), ['--hold', String(8 * MIB)]));
    await Promise.all(holders.map(({ ready }) => ready));
    const { pid } = await oomKill({ group: limited.child('hog') });
    const { candidates } = await recorder.kill(pid);
    for (const [i, holder] of holders.entries()) {
      expect(candidates?.find((one) => one.pid === holder.pid)).toMatchObject({
        cgroup: `${limited.cgroupPath}/docker-${ids[i]}.scope`,
        container: { runtime: 'docker', id: ids[i] },
      });
      holder.kill();
      await holder.ended;
    }
    expect(candidates?.find((one) => one.pid === pid)?.cgroup).toBe(`${limited.cgroupPath}/hog`);
  });
});
