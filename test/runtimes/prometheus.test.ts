/** A real Prometheus scrapes `oomscope run` while the kernel kills; a real Alertmanager gets the alerts of our rules. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { panels } from '../../src/metrics/dashboard.ts';
import { rulesText } from '../../src/metrics/rules.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import { alertmanagerUnavailable, RealAlertmanager } from '../alerts/real-alertmanager.ts';
import { Receiver, until } from '../alerts/receiver.ts';
import { MAIN } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKill, removeMemoryGroups } from '../kernel/memcg.ts';
import { bpfUnavailable } from '../kernel/unavailable.ts';
import { prometheusUnavailable, RealPrometheus } from '../metrics/real-prometheus.ts';

const missing = bpfUnavailable() ?? prometheusUnavailable() ?? alertmanagerUnavailable();

describe.skipIf(missing !== undefined)(`Prometheus and Alertmanager${missing ? ` (${missing})` : ''}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-metrics-'));
  const kills: OomKill[] = [];
  const groups: MemoryGroup[] = [];
  let daemon: ChildProcess;
  let prometheus: RealPrometheus;
  let manager: RealAlertmanager;
  let receiver: Receiver;
  const unitOf = (group: MemoryGroup) => group.path.slice(group.path.lastIndexOf('/') + 1);

  beforeAll(async () => {
    const port = await freePort();
    const config = `
[metrics]
listen = "127.0.0.1:${port}"
[[alert]]
sink = "file"
target = "${directory}/alerts.jsonl"
`;
    writeFileSync(join(directory, 'oomscope.toml'), config);
    daemon = spawn(process.execPath, [MAIN, 'run', '--config', join(directory, 'oomscope.toml')], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface({ input: daemon.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const event = JSON.parse(line) as Event;
      if (event.type === 'oom.kill') kills.push(event);
    });
    const url = `http://127.0.0.1:${port}`;
    // biome-ignore format: one condition
    await until(() => fetch(`${url}/readyz`).then(({ ok }) => ok, () => false), 60_000);
    receiver = await Receiver.start();
    manager = await RealAlertmanager.start(receiver.url);
    // The same rules with windows of seconds instead of minutes, so that an alert is also seen to be resolved.
    const rules = rulesText().replace(/\b(\d+)m\b/g, '$1s');
    prometheus = await RealPrometheus.start({
      targets: [`127.0.0.1:${port}`],
      rules,
      alertmanager: new URL(manager.url).host,
    });
    await until(async () => (await prometheus.query('oomscope_build_info')).length === 1, 30_000);
    for (let i = 0; i < 3; i++) {
      const name = `oomscope-metrics-${process.pid}-${'abc'[i]}.service`;
      const group = createMemoryGroup({ limitBytes: 32 * MIB, name });
      groups.push(group);
      for (let times = 0; times <= 2 * i; times++) await oomKill({ group });
    }
  });

  afterAll(async () => {
    daemon?.kill('SIGTERM');
    if (daemon && daemon.exitCode === null) await new Promise((resolve) => daemon.once('exit', resolve));
    await prometheus?.stop();
    await manager?.stop();
    await receiver?.down();
    removeMemoryGroups();
    rmSync(directory, { recursive: true });
  });

  it('have the count of the kernel for each unit', async () => {
    for (const group of groups) {
      const expected = group.events().oom_kill;
      const query = `sum(oomscope_oom_kills_total{unit="${unitOf(group)}",scope="unit"})`;
      await until(async () => (await prometheus.query(query))[0]?.value[1] === String(expected), 30_000);
    }
    expect(groups.map((group) => group.events().oom_kill)).toEqual([1, 3, 5]);
  });

  it('find the event of a kill by its exemplar', async () => {
    const unit = unitOf(groups[2] as MemoryGroup);
    let ids: (string | undefined)[] = [];
    await until(async () => {
      ids = (await prometheus.exemplars(`oomscope_oom_kills_total{unit="${unit}"}`)).map(({ event_id }) => event_id);
      return ids.length > 0;
    }, 30_000);
    const ours = kills.filter(({ victim }) => victim.unit === unit).map(({ id }) => id);
    expect(ids.every((id) => id !== undefined && ours.includes(id))).toBe(true);
  });

  it('answer every query of the dashboard', async () => {
    const variables = { $__range: '1m', $__rate_interval: '10s', $instance: '.*' };
    const filled = (expr: string) =>
      Object.entries(variables).reduce((text, [name, value]) => text.replaceAll(name, value), expr);
    const empty = async () => {
      const titles: string[] = [];
      for (const { title, queries } of panels)
        for (const { expr } of queries) if ((await prometheus.query(filled(expr))).length === 0) titles.push(title);
      return titles;
    };
    await until(async () => (await prometheus.query('oomscope_owner_memory_limit_bytes')).length >= 3, 30_000);
    // No other process killed, and the guard has ended no plan here; the growth needs a growing group.
    const mayBeEmpty = [
      'Fastest growth',
      'Stalled time by owner',
      'Other kills',
      'Guard: results',
      'Guard: time to the signal',
    ];
    await until(async () => (await empty()).every((title) => mayBeEmpty.includes(title)), 30_000);
  });

  it('fire an alert for each unit, and resolve it', async () => {
    const [, group] = groups as [MemoryGroup, MemoryGroup];
    interface Notified {
      alerts: { status: string; labels: Record<string, string>; annotations: Record<string, string> }[];
    }
    const about = (status: string) =>
      receiver.received
        .flatMap(({ body }) => (JSON.parse(body) as Notified).alerts)
        .filter(({ labels, ...alert }) => alert.status === status && labels.unit === unitOf(group));
    await until(() => about('firing').length > 0, 60_000);
    expect(about('firing')[0]).toMatchObject({
      labels: { alertname: 'OomscopeOomKill', severity: 'warning', scope: 'unit' },
      annotations: {
        summary: expect.stringContaining(`OOM kills in ${unitOf(group)} on 127.0.0.1:`),
        runbook_url: 'docs/runbooks/OomscopeOomKill.md',
      },
    });
    await until(() => about('resolved').length > 0, 60_000);
  });
});
