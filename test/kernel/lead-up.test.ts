/** The field `lead_up`: the minute before a kill, which process grew, and how fast. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { plain } from '../../src/render/paint.ts';
import { renderEvent } from '../../src/render/terminal.ts';
import { schemaErrors } from '../schema.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';
import { Recorder } from './recorder.ts';

const RATE = 8 * MIB;

describe('lead_up', () => {
  afterEach(() => removeMemoryGroups());

  it('names the growing process and its growth rate, also when another process is killed', async () => {
    using recorder = await Recorder.open({ leadUp: true });
    // In one group the growing process is killed; in the other it is small, and the process that holds the most is killed.
    const own = createMemoryGroup({ limitBytes: 64 * MIB });
    const shared = createMemoryGroup({ limitBytes: 128 * MIB });
    const holder = startHog(shared, ['--hold', String(64 * MIB), '--comm', 'holder']);
    await holder.ready;
    const grower = startHog(own, ['--rate', String(RATE), '--comm', 'grower']);
    const leaker = startHog(shared, ['--rate', String(RATE), '--max', String(72 * MIB), '--comm', 'leaker']);

    const killed = await recorder.kill(grower.pid);
    expect(schemaErrors(killed)).toEqual([]);
    const leadUp = killed.lead_up;
    expect(leadUp?.subject).toMatchObject({ scope: 'cgroup', path: own.cgroupPath });
    expect(leadUp?.growers.map(({ pid }) => pid)).toEqual([grower.pid]);
    expect((leadUp?.growers[0]?.growth_bytes_per_second ?? 0) / RATE).toBeCloseTo(1, 0.7);
    expect((leadUp?.growth?.bytes_per_second ?? 0) / RATE).toBeCloseTo(1, 0.7);
    const samples = leadUp?.samples ?? [];
    expect(samples.length).toBeGreaterThan(5);
    expect(samples.map(({ at_seconds }) => at_seconds)).toEqual(
      samples.map(({ at_seconds }) => at_seconds).sort((a, b) => a - b),
    );
    expect(samples.at(-1)).toMatchObject({ at_seconds: 0, usage_bytes: 64 * MIB });
    expect(samples.at(-3)?.usage_bytes).toBeLessThan(64 * MIB);

    const other = await recorder.kill(holder.pid);
    expect(other.lead_up?.subject.path).toBe(shared.cgroupPath);
    expect(other.lead_up?.growers.map(({ pid }) => pid)).toEqual([leaker.pid]);
    expect((other.lead_up?.growers[0]?.growth_bytes_per_second ?? 0) / RATE).toBeCloseTo(1, 0.7);

    const text = renderEvent(other, plain);
    expect(text).toMatch(/usage +\S*[▂▃▄▅▆▇]\S*█ \d.* to 128 MiB in/);
    expect(text).toMatch(new RegExp(`growing +leaker \\(pid ${leaker.pid}\\) \\+[678]\\.?\\d? MiB/s`));
    leaker.kill();
    await leaker.ended;
  });

  it('shows rising pressure when pressure is also monitored', async () => {
    using recorder = await Recorder.open({ leadUp: true, pressure: true });
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    // One process reads a file again and again while another process grows: the kernel reclaims more and more until it
    // kills.
    const file = `/var/tmp/oomscope-${process.pid}-read`;
    const script =
      'echo $$ > "$1/cgroup.procs"; sleep 2.5; head -c 48M /dev/zero >"$2"; echo; while :; do cat "$2" >/dev/null; done';
    const reader = spawn('sh', ['-c', script, 'sh', group.path, file], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      // even on a busy machine, the file is in the page cache before the growth begins
      await once(reader.stdout, 'data');
      const grower = startHog(group, ['--rate', String(RATE), '--comm', 'grower']);
      const { lead_up: leadUp } = await recorder.kill(grower.pid);
      const known = leadUp?.samples.flatMap(({ some }) => (some === null ? [] : [some])) ?? [];
      expect(known[0]).toBeLessThan(0.05);
      expect(Math.max(...known)).toBeGreaterThan((known[0] ?? 1) + 0.05);
      expect(leadUp?.growers[0]?.pid).toBe(grower.pid);
    } finally {
      reader.kill();
      rmSync(file, { force: true });
    }
  });

  it('is null unless requested', async () => {
    using recorder = await Recorder.open();
    const group = createMemoryGroup({ limitBytes: 16 * MIB });
    const hog = startHog(group);
    expect((await recorder.kill(hog.pid)).lead_up).toBeNull();
  });
});
