import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ownerOf } from '../../src/containers/container-path.ts';
import { exposition, formatFor } from '../../src/metrics/exposition.ts';
import { type Family, families } from '../../src/metrics/families.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { labelsOf, scopeOf, withoutIds } from '../../src/metrics/owner.ts';
import { Registry } from '../../src/metrics/registry.ts';
import { checkTextfile, writeTextfile } from '../../src/metrics/textfile.ts';
import type { OomKill } from '../../src/model/events.ts';
import { eventsOfType, recordings, withChanges } from '../../src/testing/index.ts';
import { HOSTILE } from '../alerts/alerts.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-metrics-'));
afterAll(() => rmSync(directory, { recursive: true }));

const [kill] = eventsOfType(recordings.containerKill, 'oom.kill') as [OomKill];
const quiet = () => new Metrics({ sources: { ownerOf }, cgroups: undefined });
const lines = (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(name));

it('has no sample of what only a tracer can tell, where none runs', () => {
  const untraced = new Metrics({ sources: { ownerOf }, traces: false, cgroups: undefined }).text('prometheus');
  for (const name of ['oom_kills_total', 'events_lost_total', 'stuck_cgroups', 'memory_pressure_level']) {
    expect(lines(untraced, `oomscope_${name}`), name).toEqual([]);
    expect(lines(quiet().text('prometheus'), `oomscope_${name}`), name).not.toEqual([]);
  }
});

describe('the table of metrics', () => {
  it('follows the conventions of Prometheus', () => {
    const all: Family[] = Object.values(families);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name, type, help, unit, labels, buckets } of all) {
      expect(name).toMatch(/^oomscope_[a-z0-9_]+$/);
      expect(name, name).not.toMatch(/_(total|created|count|sum|bucket|info_.*)$/);
      expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
      if (unit) expect(name.split('_'), name).toContain(unit);
      expect(type === 'histogram', name).toBe(buckets !== undefined);
      for (const label of labels) expect(['pid', 'path', 'id', 'comm', 'cgroup', 'le']).not.toContain(label);
    }
  });
});

describe('the text', () => {
  const registry = () => {
    const filled = new Registry(() => 1_700_000_000_500);
    filled.add('kills', { scope: 'container', kind: 'killed', container: 'a"b\\c' }, 2, 'id-1');
    filled.set('available', 1024);
    filled.observe('toExit', 0.3, { rule: 'r' }, 'id-2');
    return filled;
  };

  it('is text 0.0.4', () => {
    const text = exposition(registry(), 'prometheus');
    expect(text).toContain('# TYPE oomscope_oom_kills_total counter\n');
    expect(text).toContain('oomscope_oom_kills_total{scope="container",kind="killed",container="a\\"b\\\\c"} 2\n');
    expect(text).toContain('oomscope_system_memory_available_bytes 1024\n');
    expect(text).toContain('oomscope_guard_exit_delay_seconds_bucket{rule="r",le="0.25"} 0\n');
    expect(text).toContain('oomscope_guard_exit_delay_seconds_bucket{rule="r",le="0.5"} 1\n');
    expect(text).toContain('oomscope_guard_exit_delay_seconds_bucket{rule="r",le="+Inf"} 1\n');
    expect(text).toContain('oomscope_guard_exit_delay_seconds_sum{rule="r"} 0.3\n');
    expect(text).not.toMatch(/_created|EOF| # \{/);
    expect(text.endsWith('\n')).toBe(true);
  });

  it('is OpenMetrics 1.0, with the time of creation and the id of the event', () => {
    const text = exposition(registry(), 'openmetrics');
    expect(text).toContain('# TYPE oomscope_oom_kills counter\n');
    const labels = '{scope="container",kind="killed",container="a\\"b\\\\c"}';
    expect(text).toContain(`oomscope_oom_kills_total${labels} 2 # {event_id="id-1"} 2 1700000000.500\n`);
    expect(text).toContain(`oomscope_oom_kills_created${labels} 1700000000.500\n`);
    expect(text).toContain('# UNIT oomscope_system_memory_available_bytes bytes\n');
    expect(text).toContain('le="0.5"} 1 # {event_id="id-2"} 0.3 1700000000.500\n');
    expect(text).toContain('le="1.0"} 1\n');
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  it('is the one that Accept prefers', () => {
    const scraper =
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
    expect(formatFor(scraper)).toBe('openmetrics');
    expect(['', '*/*', 'text/html', 'text/plain', 'application/openmetrics-text;q=0', ';;,,q='].map(formatFor)).toEqual(
      Array(6).fill('prometheus'),
    );
    expect(formatFor('text/plain;q=0.5, application/openmetrics-text;q=0.4')).toBe('prometheus');
    expect(formatFor('application/openmetrics-text; version=2.0.0')).toBe('prometheus');
  });
});

describe('labels', () => {
  it('have no id: units of sessions, pods and containers lose theirs', () => {
    expect(
      [
        'nginx.service',
        'user@1000.service',
        'session-12.scope',
        'run-r0123456789abcdef0123456789abcdef.scope',
        'run-u123.service',
        'app-gnome-firefox-4242.scope',
        'kubepods-burstable-pod0a1b2c3d_1111_2222_3333_0123456789ab.slice',
        `docker-${'a'.repeat(64)}.scope`,
      ].map(withoutIds),
    ).toEqual([
      'nginx.service',
      'user@1000.service',
      'session-*.scope',
      'run-*.scope',
      'run-*.service',
      'app-gnome-firefox-*.scope',
      'kubepods-burstable-pod*.slice',
      'docker-*.scope',
    ]);
  });

  it('name the container by its service of Compose, and the pod only if asked to', () => {
    const pod = { uid: 'u', name: 'shop-1', namespace: 'prod', qos: null };
    const container = { runtime: null, id: 'i', name: 'c', image: null, compose_project: null, compose_service: null };
    const owner = { unit: 'cri-containerd-i.scope', pod, container };
    expect(labelsOf(owner, { pods: false })).toMatchObject({
      namespace: 'prod',
      container: 'c',
      pod: undefined,
      unit: undefined,
    });
    expect(labelsOf(owner, { pods: true })).toMatchObject({ pod: 'shop-1' });
    const factsOf = () => ({
      namespace: 'prod',
      pod: 'shop-1',
      container: 'web',
      workload: { kind: 'Job', name: 'backup-29400000' },
    });
    expect(labelsOf(owner, { pods: false, factsOf })).toMatchObject({
      ...{ namespace: 'prod', workload: 'Job/backup-*', container: 'web', pod: undefined },
    });
    const composed = { ...container, compose_project: 'shop', compose_service: 'db' };
    expect(labelsOf({ ...owner, pod: null, container: composed }, { pods: false })).toMatchObject({
      workload: 'shop/db',
      container: 'db',
    });
  });

  it('say what ran out of memory', () => {
    const id = 'a'.repeat(64);
    const own = `/system.slice/docker-${id}.scope`;
    const victim = { ...kill.victim, ...ownerOf(own), cgroup: `${own}/worker` };
    const at = (path: string) =>
      scopeOf({ scope: 'cgroup', victim, limit: { ...(kill.limit as object), path } as OomKill['limit'] });
    expect([own, `${own}/worker`, '/system.slice', '/system.slice/x.service', '/batch'].map(at)).toEqual([
      'container',
      'inside',
      'slice',
      'unit',
      'cgroup',
    ]);
    expect(at('/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-0123456789ab')).toBe('pod');
    expect(scopeOf({ scope: 'system', victim, limit: null })).toBe('system');
    expect(scopeOf({ scope: null, victim, limit: null })).toBe('unknown');
  });

  it('are bounded: what overflows is counted under other, and nothing is lost', () => {
    const metrics = quiet();
    for (let i = 0; i < 50_000; i++) {
      const container = {
        runtime: null,
        id: `${i}`,
        name: `job-${i}`,
        image: null,
        compose_project: null,
        compose_service: null,
      };
      metrics.take({ ...kill, id: `id-${i}`, victim: { ...kill.victim, pod: null, container } });
    }
    const text = metrics.text('prometheus');
    const kills = lines(text, 'oomscope_oom_kills_total{');
    expect(kills.length).toBeLessThanOrEqual(2_010);
    expect(kills.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(50_000);
    expect(kills.find((line) => line.includes('workload="other"'))).toMatch(/ 4800\d$/);
    expect(lines(text, 'oomscope_metrics_series_overflow_total')).toEqual([
      expect.stringMatching(/metric="oomscope_oom_kills_total"\} 4800\d$/),
    ]);
  });

  it('with hostile values break no line', () => {
    const metrics = quiet();
    const container = {
      runtime: null,
      id: 'x',
      name: `${HOSTILE}${'y'.repeat(500)}`,
      image: null,
      compose_project: null,
      compose_service: null,
    };
    metrics.take({ ...kill, victim: { ...kill.victim, pod: null, container } });
    const wrong = metrics
      .text('openmetrics')
      .split('\n')
      .filter(
        (line) =>
          !/^(#|[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.eInfNa]+( # \{event_id="[^"]+"\} [0-9.]+ [0-9.]+)?$|$)/.test(
            line,
          ),
      );
    expect(wrong).toEqual([]);
  });
});

describe('events', () => {
  it('are counted by what they say', () => {
    const metrics = quiet();
    for (const event of [...recordings.containerKill, ...recordings.groupKill, ...recordings.pressureEpisode])
      metrics.take(event);
    const text = metrics.text('openmetrics');
    const total = (name: string) =>
      lines(text, `${name}{`).reduce((sum, line) => sum + Number(line.split('} ')[1]?.split(' ')[0]), 0);
    const all = [...recordings.containerKill, ...recordings.groupKill];
    expect(total('oomscope_oom_kills_total')).toBe(eventsOfType(all, 'oom.kill').length);
    expect(total('oomscope_oom_memory_back_seconds_count')).toBe(
      eventsOfType(all, 'oom.reaped').filter((each) => each.mark_to_memory_back_ns !== null).length,
    );
    expect(text).toContain(`# {event_id="${kill.id}"}`);
    expect(lines(text, 'oomscope_owner_memory_pressure_level{')).toEqual([]); // every episode has ended
    expect(lines(text, 'oomscope_oom_kills_total{scope="system",kind="killed"}')[0]).toMatch(/ 0$/);
    expect(lines(text, 'oomscope_events_lost_total{')).toHaveLength(5);
  });

  it('that repeat are counted once for each change', () => {
    const metrics = quiet();
    const stuck = {
      ...{ ...withChanges(kill, {}), type: 'oom.stuck', state: 'stuck', cause: 'nothing_killable' },
      cgroup: { unit: 'a.service', pod: null, container: null, path: '/a', id: '1', usage_bytes: 1, limit_bytes: 1 },
    } as never;
    for (let i = 0; i < 3; i++) metrics.take(stuck);
    expect(metrics.text('prometheus')).toContain('oomscope_stuck_cgroups 1\n');
    expect(metrics.text('prometheus')).toContain(
      'oomscope_stuck_ooms_total{cause="nothing_killable",unit="a.service"} 1\n',
    );
    metrics.take({ ...(stuck as object), state: 'over' } as never);
    expect(metrics.text('prometheus')).toContain('oomscope_stuck_cgroups 0\n');
  });
});

describe('the text file', () => {
  it('is replaced at once, readable by all, and leaves nothing else', async () => {
    const file = join(directory, 'oomscope.prom');
    writeFileSync(file, 'old');
    writeFileSync(`${file}.${process.pid}.new`, 'left by a process with the same pid');
    const umask = process.umask(0o077); // as in the systemd unit
    await writeTextfile(file, quiet()).finally(() => process.umask(umask));
    expect(readFileSync(file, 'utf8')).toMatch(/^# HELP oomscope_/);
    expect(lstatSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(directory)).toEqual(['oomscope.prom']);
  });

  it('that cannot be written gets a sentence', async () => {
    await expect(writeTextfile(join(directory, 'none', 'x.prom'), quiet())).rejects.toMatchObject({
      code: 'OUTPUT',
      message: expect.stringContaining(`there is no directory ${directory}/none`),
    });
    mkdirSync(join(directory, 'd.prom'));
    await expect(writeTextfile(join(directory, 'd.prom'), quiet())).rejects.toMatchObject({ code: 'OUTPUT' });
    expect(() => checkTextfile('/x/oomscope.txt', 'metrics.textfile')).toThrow(
      /metrics.textfile: expected a name that ends in .prom/,
    );
  });
});
