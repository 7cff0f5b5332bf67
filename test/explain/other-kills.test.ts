/** Messages of other programs about kills for memory, in the time line with the kernel's own kills. */
import { describe, expect, it } from 'vitest';
import { Patterns } from '../../src/explain/patterns.ts';
import { readText, TextReader } from '../../src/explain/read-text.ts';
import { TimeLine } from '../../src/explain/render/time-line.ts';
import type { OomOtherKill } from '../../src/model/oom-other-kill.ts';
import { schemaErrors } from '../schema.ts';

const AT = '2026-11-20T10:00:01Z';
const CONTAINER = 'a'.repeat(64);

const messages: [string, string, Partial<OomOtherKill>][] = [
  [
    'systemd-oomd by pressure',
    `${AT} n1 systemd-oomd[9]: Killed /user.slice/app.slice/x.scope due to memory pressure for /user.slice being 78.56% > 50.00% for > 20s with reclaim activity`,
    { program: 'systemd-oomd', role: 'killed', node: 'n1', cgroup: '/user.slice/app.slice/x.scope', unit: 'x.scope' },
  ],
  [
    'systemd-oomd by swap',
    `${AT} n1 systemd-oomd[9]: Killed /system.slice/y.service due to memory used (3 GB) / total (4 GB) and swap used (1 GB) / total (1 GB) being more than 90.00%`,
    { program: 'systemd-oomd', role: 'killed', unit: 'y.service' },
  ],
  [
    'systemd about systemd-oomd',
    `${AT} n1 systemd[1]: y.service: systemd-oomd killed 12 process(es) in this unit.`,
    { program: 'systemd-oomd', role: 'killed', unit: 'y.service' },
  ],
  [
    'systemd about the kernel',
    `${AT} n1 systemd[1]: docker-${CONTAINER}.scope: A process of this unit has been killed by the OOM killer.`,
    { program: 'systemd', role: 'noticed', container: expect.objectContaining({ runtime: 'docker', id: CONTAINER }) },
  ],
  [
    'systemd about a failed unit',
    `${AT} n1 systemd[1]: node-worker.service: Failed with result 'oom-kill'.`,
    { program: 'systemd', role: 'noticed', unit: 'node-worker.service' },
  ],
  [
    'earlyoom',
    `${AT} n1 earlyoom[77]: sending SIGTERM to process 173803 uid 1000 "stress-ng-vm": badness 1200, VmRSS 900 MiB`,
    { program: 'earlyoom', role: 'killed', pid: 173803, comm: 'stress-ng-vm' },
  ],
  [
    'nohang',
    `${AT} n1 nohang[5]: [ OK ] Sending SIGKILL to the victim; total response time: 3 ms`,
    { program: 'nohang' },
  ],
  [
    'oomd',
    '[ 5.000001] oomd kill: 81.28 80.05 42.78 system.slice/db.service 1000 ruleset:[protect] detectorgroup:[slow] killer:kill_by_memory',
    {
      program: 'oomd',
      role: 'killed',
      cgroup: 'system.slice/db.service',
      unit: 'db.service',
      since_boot_seconds: 5.000001,
    },
  ],
  [
    'the low memory killer of Android',
    "[ 5.000001] lowmemorykiller: Killing 'd.process.media' (2846) (tgid 2846), adj 999,",
    { program: 'lowmemorykiller', pid: 2846, comm: 'd.process.media' },
  ],
  [
    'lmkd',
    `${AT} n1 lmkd[400]: Kill 'com.example.app' (24017), uid 10123, oom_score_adj 900 to free 4963256kB rss`,
    { program: 'lmkd', pid: 24017, comm: 'com.example.app' },
  ],
  [
    'the OOM controller of Talos',
    'user: warning: [2026-01-12T20:27:31.913975631Z]: [talos] Sending SIGKILL to cgroup {"component": "controller-runtime", "cgroup": "/sys/fs/cgroup/kubepods/burstable/pod77f06c5c-4593-43e9-b970-987f6ecb825b"}',
    { program: 'talos', role: 'killed', cgroup: '/kubepods/burstable/pod77f06c5c-4593-43e9-b970-987f6ecb825b' },
  ],
  [
    'lowmemorykiller in a logcat',
    "10-24 14:24:26.342   710   710 I lowmemorykiller: Kill 'com.example.app' (17933), uid 10446, oom_score_adj 0 to free 140528kB rss, 37404kB swap; reason: device is not responding",
    { program: 'lowmemorykiller', pid: 17933, comm: 'com.example.app' },
  ],
  [
    'the kubelet about the kernel',
    `${AT} n1 kubelet[800]: Warning SystemOOM: System OOM encountered, victim process: java, pid: 4711`,
    { program: 'kubelet', role: 'noticed', pid: 4711, comm: 'java' },
  ],
  [
    'an eviction for memory',
    `${AT} n1 kubelet[800]: The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi.`,
    { program: 'kubelet', role: 'killed' },
  ],
  [
    'an eviction of a pod',
    `${AT} n1 kubelet[800]: I0101 eviction_manager.go:629] "Eviction manager: pod is evicted successfully" pod="shop/cart-0"`,
    { program: 'kubelet', role: 'killed', words: expect.stringContaining('pod="shop/cart-0"') },
  ],
  [
    'the journal in JSON',
    JSON.stringify({
      ...{ MESSAGE: 'Killed /a.slice/b.service due to memory pressure for /a.slice being 90% > 50% for > 20s' },
      ...{ _TRANSPORT: 'journal', _COMM: 'systemd-oomd', _HOSTNAME: 'n2', _BOOT_ID: 'b0b' },
      __REALTIME_TIMESTAMP: '1795862399000000',
    }),
    { program: 'systemd-oomd', node: 'n2', boot_id: 'b0b', unit: 'b.service', time: '2026-11-28T10:39:59.000000000Z' },
  ],
];

describe('a message of another program', () => {
  it.each(messages)('%s becomes an event with its own words', (_, line, fields) => {
    const { reports, others } = readText(`${line}\n`, 'a.log');
    expect(reports).toEqual([]);
    expect(others).toEqual([expect.objectContaining({ ...fields, input: 'a.log', offset: 0 })]);
    expect(schemaErrors(others[0])).toEqual([]);
  });

  it.each([
    ['a program that only has such words in its text', `${AT} n1 app[1]: systemd-oomd is not running`],
    [
      'a program of the journal that is not known to kill',
      JSON.stringify({ MESSAGE: 'Killed /a due to memory pressure', _TRANSPORT: 'stdout', _COMM: 'app' }),
    ],
    ['earlyoom before it kills', `${AT} n1 earlyoom[77]: low memory! at or below SIGTERM limits: mem 5.00%`],
  ])('is not made of %s', (_, line) => {
    expect(readText(`${line}\n`, 'a.log').others).toEqual([]);
  });

  it('has its place in bytes, and control characters are escaped', () => {
    const line = `é\n${AT} n1 nohang[5]: Sending SIGKILL to \x1b[2J\u202evictim`;
    const reader = new TextReader('a.log');
    for (const piece of line) reader.push(piece);
    const [kill] = reader.end().others;
    expect(kill?.offset).toBe(3);
    expect(kill?.words).toBe('Sending SIGKILL to \\x1b[2J\\u{202e}victim');
  });
});

describe('the time line', () => {
  const kill = (prefix: string, pid: number) => `${prefix}Out of memory: Killed process ${pid} (p${pid}) total-vm:8kB`;
  const line = (...logs: string[]) => {
    const all = new TimeLine();
    const patterns = new Patterns();
    for (const [i, log] of logs.entries()) {
      const { reports, others } = readText(log, `${i}.log`);
      for (const report of reports) patterns.add(report);
      for (const other of others) patterns.addOther(other);
      for (const event of [...reports, ...others]) all.add(event);
    }
    return { entries: all.entries(), summary: patterns.summary() };
  };

  it('has kills of several logs in the order of time, with host, program and log', () => {
    const { entries, summary } = line(
      `${kill('2026-11-20T10:00:03Z n1 kernel: ', 3)}\n${messages[5]?.[1]}\n`,
      `${kill('2026-11-20T10:00:00Z n2 kernel: ', 1)}\n`,
      `${kill('', 9)}\n${kill('[ 7.000000] ', 8)}\n${kill('[ 6.000000] ', 7)}\n`,
    );
    expect(entries.map(({ host, by, source }) => [host, by, source])).toEqual([
      ['n2', 'kernel', '1.log'],
      ['n1', 'earlyoom', '0.log'],
      ['n1', 'kernel', '0.log'],
      ['', 'kernel', '2.log'],
      ['', 'kernel', '2.log'],
      ['', 'kernel', '2.log'],
    ]);
    expect(entries.map(({ what }) => /pid (\d)/.exec(what)?.[1] ?? what.slice(0, 7))).toEqual([
      ...['1', 'sending', '3', '7', '8', '9'],
    ]);
    expect(summary).toMatchObject({ reports: 5, other_kills: 1, by_program: [{ name: 'earlyoom', count: 1 }] });
  });
});
