import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ownerOf } from '../../src/containers/container-path.ts';
import { alertingRules, recordingRules } from '../../src/metrics/alerting-rules.ts';
import { dashboardText, panels } from '../../src/metrics/dashboard.ts';
import { families } from '../../src/metrics/families.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { rulesText } from '../../src/metrics/rules.ts';
import { recordings } from '../../src/testing/index.ts';
import { ROOT } from '../cli/cli.ts';

const PROMTOOL = join(ROOT, 'build/test-packages/usr/bin/promtool');
const directory = mkdtempSync(join(tmpdir(), 'oomscope-rules-'));
afterAll(() => rmSync(directory, { recursive: true }));

const promtool = (args: string[], input = '') => {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { cwd: directory, input, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
};

/** The metrics that an expression reads, without the suffixes of histograms. */
const metricsIn = (expr: string) =>
  [...expr.matchAll(/\boomscope_\w+/g)].map(([name]) => name.replace(/_bucket$/, '').replace(/_total$/, ''));

describe('rules and dashboard', () => {
  it('read only metrics that exist', () => {
    const known = new Set<string>(Object.values(families).map(({ name }) => name));
    const all = [...alertingRules, ...recordingRules, ...panels.flatMap(({ queries }) => queries)];
    const read = all.flatMap(({ expr }) => metricsIn(expr));
    expect(read.length).toBeGreaterThan(40);
    expect(read.filter((name) => !known.has(name))).toEqual([]);
  });

  it('have a runbook for each alert, which names the alert, what it means and what to do', () => {
    for (const { name } of alertingRules) {
      const path = join(ROOT, `docs/runbooks/${name}.md`);
      expect(existsSync(path), path).toBe(true);
      const page = readFileSync(path, 'utf8');
      expect(page, name).toMatch(new RegExp(`^# ${name}\n`));
      expect(page, name).toMatch(/\n## Meaning\n[\s\S]+\n## Diagnosis\n[\s\S]+\n## Mitigation\n/);
    }
    expect(rulesText('https://wiki.example.org/r')).toContain('"https://wiki.example.org/r/OomscopeDown.md"');
  });

  it('place the panels of the dashboard side by side, without gaps', () => {
    const { panels: placed } = JSON.parse(dashboardText()) as {
      panels: { gridPos: { x: number; y: number; w: number }; targets: unknown[] }[];
    };
    const rows = new Map<number, number>();
    for (const { gridPos } of placed) rows.set(gridPos.y, (rows.get(gridPos.y) ?? 0) + gridPos.w);
    expect([...rows.values()].every((width) => width === 24)).toBe(true);
  });
});

describe.skipIf(!existsSync(PROMTOOL))('promtool of Prometheus', () => {
  it('finds no fault in the rules, and they fire and resolve as their tests say', () => {
    writeFileSync(join(directory, 'oomscope.rules.yml'), rulesText());
    copyFileSync(join(ROOT, 'test/fixtures/metrics/rules.test.yml'), join(directory, 'rules.test.yml'));
    const count = alertingRules.length + recordingRules.length;
    expect(promtool(['check', 'rules', 'oomscope.rules.yml'])).toMatchObject({
      status: 0,
      output: expect.stringContaining(`${count} rules found`),
    });
    expect(promtool(['test', 'rules', 'rules.test.yml'])).toMatchObject({ status: 0 });
    const tested = readFileSync(join(directory, 'rules.test.yml'), 'utf8');
    for (const { name } of alertingRules) {
      // Each alert is seen firing, and seen not firing.
      const of = tested.split(`alertname: ${name}`).slice(1);
      if (name === 'OomscopeDown' || name === 'OomscopeRepeatedOomKills') expect(of.length, name).toBeGreaterThan(0);
      else expect(of.length, name).toBeGreaterThan(1);
    }
  });

  it('finds no fault in the metrics of real events', async () => {
    await using metrics = new Metrics({ sources: { ownerOf } });
    for (const event of [...recordings.groupKill, ...recordings.pressureEpisode]) metrics.take(event);
    await metrics.sample();
    expect(promtool(['check', 'metrics'], metrics.text('prometheus'))).toEqual({ status: 0, output: '' });
  });
});
