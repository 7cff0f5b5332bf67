import { describe, expect, it } from 'vitest';
import { type Alert, alertOf } from '../../src/model/alert.ts';
import type { Event } from '../../src/model/events.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import {
  containerOom,
  envelope,
  guardAction,
  guardResult,
  lost,
  oomKill,
  pressureLevel,
  shortage,
  usageLevel,
} from '../alerts/alerts.ts';
import { explain, fixture, fixtures } from '../explain/corpus.ts';
import { schemaErrors } from '../schema.ts';

function alert(event: Event): Alert {
  expect(schemaErrors(event)).toEqual([]);
  const made = alertOf(event);
  if (!made) throw new Error(`expected an alert of ${event.type}`);
  return made;
}

describe('alertOf', () => {
  it('makes a momentary alert of each kill, with the same labels for similar kills', () => {
    const [one, other] = [alert(oomKill('killed')), alert(oomKill('killed'))];
    expect(one).toMatchObject({ name: 'OomKill', severity: 'critical', status: 'firing', momentary: true });
    expect(one.title).toBe('OOM kill: cache on n1');
    expect(one.labels).toEqual({
      alertname: 'OomKill',
      severity: 'critical',
      node: 'n1',
      scope: 'cgroup',
      cgroup: '/shop/web',
    });
    expect(one.ends_at).toBe(one.starts_at);
    expect(one.key).not.toBe(other.key);
    expect(one.labels).toEqual(other.labels);
  });

  it('makes an alert of a cgroup without a kill that lasts, and resolves it when that is over', () => {
    const cgroup = { path: '/shop', id: '7', usage_bytes: 1, limit_bytes: 1, unit: null, pod: null, container: null };
    const facts = {
      ...({ type: 'oom.stuck', cause: 'nothing_killable', cgroup, ooms: 5, stuck_ns: 2_000_000_000 } as const),
      ...{ trigger: { pid: 5, tid: 5, start_ticks: 1, comm: 'hog' }, processes: [], process_count: 0 },
    };
    const stuck = alert({ ...envelope('critical', 'It is stuck.'), ...facts, state: 'stuck' });
    const over = alert({ ...envelope('info', 'It is over.'), ...facts, state: 'over' });
    expect(stuck).toMatchObject({ name: 'OomStuck', status: 'firing', severity: 'critical', ends_at: null });
    expect(Date.parse(stuck.event?.time ?? '') - Date.parse(stuck.starts_at)).toBe(2000);
    expect(over).toMatchObject({ key: stuck.key, status: 'resolved', severity: 'critical', ends_at: over.event?.time });
  });

  it('makes no alert if the kernel only marked an exiting process', () => {
    expect(alertOf(oomKill('already_dying'))).toBeUndefined();
  });

  it('makes no alert of a report that belongs to an `oom.kill` event', () => {
    const { reports } = explain(fixture(fixtures[0] as string));
    const report = reports[0] as OomReport;
    expect(alert(report)).toMatchObject({ name: 'OomReport', severity: 'critical', momentary: true });
    expect(alertOf({ ...report, kill_id: oomKill('killed').id })).toBeUndefined();
  });

  it('gives all alerts about one episode of pressure the same key', () => {
    const up = alert(pressureLevel('medium', 'normal'));
    const worse = alert(pressureLevel('critical', 'medium'));
    const over = alert(pressureLevel('normal', 'critical', { peak: 'critical' }));
    expect([up, worse, over].map(({ status }) => status)).toEqual(['firing', 'firing', 'resolved']);
    expect([up, worse, over].map(({ severity }) => severity)).toEqual(['warning', 'critical', 'critical']);
    expect(new Set([up, worse, over].map(({ key }) => key))).toEqual(new Set(['episode-1']));
    expect(up.starts_at).toBe('2026-11-22T12:00:00.000Z'); // the time of the event minus its duration
    expect(up.ends_at).toBeNull();
    expect(over.ends_at).toBe('2026-11-22T12:00:02.000000001Z');
    expect(over.labels).toEqual(worse.labels);
    expect(alert(pressureLevel('low', 'normal', { episode: 'episode-2' })).key).toBe('episode-2');
  });

  it('makes alerts of results and notices of the guard, but not of what it only would do', () => {
    expect(alert(guardResult('killed'))).toMatchObject({
      name: 'GuardResult',
      title: 'Guard: killed: cache on n1',
      labels: { rule: 'no memory', cgroup: '/shop/web' },
      momentary: true,
    });
    expect(alertOf(guardResult('would_kill'))).toBeUndefined();
    expect(alert(guardAction('notify', 'done')).key).not.toBe(alert(guardResult('killed')).key);
    expect(alertOf(guardAction('notify', 'would'))).toBeUndefined();
    expect(alertOf(guardAction('kill', 'done'))).toBeUndefined(); // the result causes the alert
  });

  it('gives an alert about a container the key of its kill, so that receivers can drop duplicates', () => {
    const kill = oomKill('killed');
    const container = alert(containerOom([kill.id]));
    expect(container).toMatchObject({ key: kill.id, name: 'ContainerOom', title: 'OOM in the container web on n1' });
    expect(container.labels).toMatchObject({ container: 'web', image: 'nginx:1' });
    expect(alert(containerOom([])).key).not.toBe(alert(containerOom([])).key);
    expect(alertOf({ ...containerOom([]), verdict: 'spared' })).toBeUndefined();
  });

  it('makes one alert of a shortage, and none of usage that is reported beside it', () => {
    const [up, over] = [alert(shortage('critical', 'medium')), alert(shortage('normal', 'critical'))];
    expect(up).toMatchObject({
      name: 'MemoryShortage',
      severity: 'critical',
      title: 'Memory shortage critical: /shop',
    });
    expect(over).toMatchObject({ key: up.key, status: 'resolved', severity: 'critical' });
    expect(alertOf({ ...usageLevel('critical', 'normal'), severity: 'info' })).toBeUndefined();
  });

  it('makes alerts of usage with the subject as the key, and of lost events', () => {
    expect(alert(usageLevel('critical', 'normal'))).toMatchObject({
      name: 'MemoryUsage',
      key: 'memory.usage system /',
      title: 'Memory usage critical: the system',
    });
    expect(alert(usageLevel('normal', 'critical')).status).toBe('resolved');
    expect(alert(lost())).toMatchObject({ name: 'EventsLost', severity: 'warning', momentary: true });
  });
});
