import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Journal, type JournalLine, parseJournalLine } from '../../src/killers/journal.ts';
import { journalsOf, reasonIn, reasonSpanMs } from '../../src/killers/reasons.ts';
import type { KilledProcess } from '../../src/model/process-killed.ts';
import { journaldUnavailable, RealJournald } from '../alerts/real-journald.ts';
import { until } from '../alerts/receiver.ts';

const ID = 'c'.repeat(64);
const UID = '12345678-1234-1234-1234-123456789abc';
const victim = (given: Partial<KilledProcess> = {}): KilledProcess => ({
  ...{ pid: 4242, start_ticks: 1, ppid: 1, parent_comm: 'systemd', uid: 0, comm: 'postgres', exe: null, cmdline: null },
  ...{ cgroup: '/user.slice/app.slice/postgres.service', namespace_pid: 4242, namespace_init: false },
  ...{ unit: 'postgres.service', pod: null, container: null, ...given },
});
const line = (comm: string, words: string, unit: string | null = null): JournalLine => ({ comm, unit, words });

describe('reasonIn', () => {
  it.each([
    [
      'systemd-oomd',
      line(
        'systemd-oomd',
        'Killed /user.slice/app.slice due to memory pressure for /user.slice being 63.93% > 50.00% for > 20s with reclaim activity',
      ),
    ],
    [
      'earlyoom',
      line(
        'earlyoom',
        'sending SIGTERM to process 4242 uid 0 "postgres": oom_score 800, VmRSS 940 MiB, cmdline "postgres"',
      ),
    ],
    ['systemd', line('systemd', "postgres.service: State 'stop-sigterm' timed out. Killing.", 'postgres.service')],
  ])('finds the words of %s', (_, one) => {
    expect(reasonIn([line(one.comm, 'Something else.', one.unit), one], victim())).toBe(one.words);
  });

  it('finds the words of the kubelet about the container', () => {
    const pod = { uid: UID, name: 'web', namespace: 'shop', qos: null };
    const container = { runtime: 'containerd', id: ID, name: 'web', image: null } as KilledProcess['container'];
    const words = `"Killing container with a grace period" pod="shop/web" podUID="${UID}" containerID="containerd://${ID}" gracePeriod=30`;
    expect(reasonIn([line('kubelet', words)], victim({ pod, container }))).toBe(words);
    expect(journalsOf('runtime', 'containerd', victim({ pod }))).toEqual(['kubelet']);
    expect(journalsOf('runtime', 'dockerd', victim())).toEqual([]);
    const sandbox = { ...(container as NonNullable<typeof container>), name: 'POD' };
    expect(journalsOf('runtime', 'containerd', victim({ pod, container: sandbox }))).toEqual([]);
  });

  // The formats are those of the kubelet 1.20.2, and of later ones with structured logs.
  it.each([
    [
      'a liveness probe',
      [
        `I1128 21:40:00.100000    3709 prober.go:117] Liveness probe for "web_shop(${UID}):web" failed (failure): `,
        `I1128 21:40:00.200000    3709 kuberuntime_manager.go:651] Container "web" ({"containerd" "${ID}"}) of pod web_shop(${UID}): Container web failed liveness probe, will be restarted`,
        `I1128 21:40:00.300000    3709 kuberuntime_container.go:636] Killing container "containerd://${ID}" with a 30 second grace period`,
        `I1128 21:40:09.100000    3709 prober.go:117] Readiness probe for "web_shop(${UID}):web" failed (failure): `,
      ],
      `Container "web" ({"containerd" "${ID}"}) of pod web_shop(${UID}): Container web failed liveness probe, will be restarted`,
    ],
    [
      'an eviction',
      [
        `I1128 21:40:00.100000    3709 eviction_manager.go:372] eviction manager: pods ranked for eviction: web_shop(${UID}), db_shop(1)`,
        `I1128 21:40:00.300000    3709 kuberuntime_container.go:636] Killing container "containerd://${ID}" with a 0 second grace period`,
      ],
      `eviction manager: pods ranked for eviction: web_shop(${UID}), db_shop(1)`,
    ],
    [
      'an eviction, with structured logs',
      ['"Eviction manager: pods ranked for eviction" pods=["shop/web","shop/db"]'],
      '"Eviction manager: pods ranked for eviction" pods=["shop/web","shop/db"]',
    ],
    [
      'a deleted pod',
      [
        `I1128 21:40:00.300000    3709 kuberuntime_container.go:636] Killing container "containerd://${ID}" with a 10 second grace period`,
      ],
      `Killing container "containerd://${ID}" with a 10 second grace period`,
    ],
    [
      'an eviction, with a list in one text',
      ['"Eviction manager: pods ranked for eviction" pods="[shop/web shop/db]"'],
      '"Eviction manager: pods ranked for eviction" pods="[shop/web shop/db]"',
    ],
    ['the eviction of a pod whose name is longer', ['ranked for eviction" pods=[shop/web-2 shop/web]'], null],
    [
      'another container of the pod',
      [
        `"Killing container with a grace period" pod="shop/web" podUID="${UID}" containerID="containerd://${'b'.repeat(64)}" gracePeriod=30`,
      ],
      null,
    ],
    [
      'another container of the pod, which failed a probe before',
      [
        `I1128 21:40:00.200000    3709 kuberuntime_manager.go:651] Container "db" ({"containerd" "${'b'.repeat(64)}"}) of pod web_shop(${UID}): Container db failed liveness probe, will be restarted`,
      ],
      null,
    ],
    ['only a probe that ends nothing', [`Readiness probe for "web_shop(${UID}):web" failed (failure): `], null],
    ['only a failure below the threshold', [`Liveness probe for "web_shop(${UID}):web" failed (failure): `], null],
    ['the eviction of another pod', [`pods ranked for eviction: db_shop(1), web_shop(${UID})`], null],
    ['the eviction of another pod, with structured logs', ['ranked for eviction" pods=["shop/db","shop/web"]'], null],
  ])('tells by the words of the kubelet the cause of the end: %s', (_, words, expected) => {
    const pod = { uid: UID, name: 'web', namespace: 'shop', qos: null };
    const container = { runtime: 'containerd', id: ID, name: 'web', image: null } as KilledProcess['container'];
    const lines = words.map((one) => line('kubelet', one));
    expect(reasonIn(lines, victim({ pod, container }))).toBe(expected);
  });

  it('finds the cause behind long names', () => {
    const pod = { uid: UID, name: `web-${'x'.repeat(200)}`, namespace: 'n'.repeat(63), qos: null };
    const container = {
      runtime: 'containerd',
      id: ID,
      name: 'c'.repeat(63),
      image: null,
    } as KilledProcess['container'];
    const words = `Container "${container?.name}" ({"containerd" "${ID}"}) of pod ${pod.name}_${pod.namespace}(${UID}): Container ${container?.name} failed liveness probe, will be restarted`;
    const header = 'I1129 01:11:11.663307     393 kuberuntime_manager.go:656] ';
    const read = parseJournalLine(JSON.stringify({ MESSAGE: header + words, _COMM: 'kubelet' }));
    expect(read && reasonIn([read], victim({ pod, container }))).toBe(words);
  });

  it('looks back further than the grace period of a pod', () => {
    expect(reasonSpanMs(['kubelet'])).toBeGreaterThan(30_000);
  });

  it('does not take the words about another process, unit or cgroup', () => {
    const others = [
      line('systemd-oomd', 'Killed /user.slice/app.slice/post due to memory used (1) / total (2) and swap used'),
      line('earlyoom', 'sending SIGTERM to process 424 uid 0 "postgres"'),
      line('systemd', "web.service: State 'stop-sigterm' timed out. Killing.", 'web.service'),
      line('kubelet', `"Killing container with a grace period" podUID="${UID}"`),
    ];
    expect(reasonIn(others, victim())).toBeNull();
  });
});

describe('the journal', () => {
  it('is read line by line, and what is not a record is left out', () => {
    expect(parseJournalLine('{"MESSAGE":"x","_COMM":"systemd","UNIT":"a.service"}')).toEqual(
      line('systemd', 'x', 'a.service'),
    );
    expect(parseJournalLine('{"MESSAGE":[104,105],"_COMM":"a"}')).toEqual(line('a', 'hi'));
    for (const bad of ['', 'null', '7', '{"MESSAGE":null,"_COMM":"a"}', '{"MESSAGE":"x"}']) {
      expect(parseJournalLine(bad)).toBeUndefined();
    }
  });

  it('is asked once for processes that die together', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const journal = new Journal('/nonexistent');
    const first = journal.lines(['systemd'], 0);
    expect(journal.lines(['systemd'], 0)).toBe(first);
    expect(journal.lines(['kubelet'], 0)).not.toBe(first);
  });

  it('knows which journalctl it has started, so that the end of a slow one is not reported', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-journalctl-'));
    onTestFinished(() => {
      vi.unstubAllEnvs();
      rmSync(directory, { recursive: true });
    });
    const script = `#!/bin/sh\necho $$ >${directory}/pid\n`;
    writeFileSync(join(directory, 'journalctl'), script, { mode: 0o755 });
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`);
    const journal = new Journal();
    expect(await journal.lines(['systemd'], 0)).toEqual([]);
    expect(journal.hasStarted(Number(readFileSync(join(directory, 'pid'), 'utf8')))).toBe(true);
    expect(journal.hasStarted(process.pid)).toBe(false);
  });

  it.skipIf(journaldUnavailable())('of a real journald', async () => {
    const journald = await RealJournald.start();
    try {
      const socket = createConnection(journald.socket);
      socket.write('killer\n\n6\n0\n0\n0\n0\n');
      // The last 500 lines are read.
      for (let i = 0; i < 600; i++) socket.write(`line ${i}\n`);
      socket.write('Killed /a due to memory pressure\n');
      const root = journald.socket.slice(0, journald.socket.indexOf('/run/'));
      const own = readFileSync('/proc/self/comm', 'utf8').trim();
      const read = async () => {
        const [id] = readdirSync(`${root}/var/log/journal`);
        return new Journal(`${root}/var/log/journal/${id}`).lines([own], Date.now() - 60_000);
      };
      let lines: JournalLine[] = [];
      await until(async () => {
        lines = await read();
        return lines.at(-1)?.words.startsWith('Killed') === true;
      });
      expect(lines.at(-1)).toEqual(line(own, 'Killed /a due to memory pressure'));
      expect([lines.length, lines.at(-2)?.words]).toEqual([500, 'line 599']);
      expect(await new Journal(root).lines(['no-such-program'], 0)).toEqual([]);
      socket.destroy();
    } finally {
      await journald.stop();
    }
  });
});
