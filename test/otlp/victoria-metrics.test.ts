/** A real receiver of OTLP metrics: VictoriaMetrics, from Debian's package. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownerOf } from '../../src/containers/container-path.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { OtlpExporter } from '../../src/otlp/exporter.ts';
import { eventsOfType, recordings } from '../../src/testing/index.ts';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';

const PROGRAM = join(ROOT, 'build/test-packages/usr/bin/victoria-metrics');

describe.skipIf(!existsSync(PROGRAM))('VictoriaMetrics', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-victoria-'));
  let server: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const args = [`-httpListenAddr=127.0.0.1:${port}`, `-storageDataPath=${directory}/data`];
    server = spawn(PROGRAM, [...args, '-opentelemetry.usePrometheusNaming', '-search.latencyOffset=0s'], {
      stdio: 'ignore',
    });
    // biome-ignore format: one condition
    await until(() => fetch(`${url}/health`).then(({ ok }) => ok, () => false), 60_000);
  });

  afterAll(async () => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
    rmSync(directory, { recursive: true });
  });

  it('takes the metrics, under the names that a scrape has', async () => {
    const metrics = new Metrics({ sources: { ownerOf }, cgroups: undefined });
    const events = [...recordings.containerKill, ...recordings.groupKill];
    for (const event of events) metrics.take(event);
    const said: string[] = [];
    const options = { endpoint: `${url}/opentelemetry`, timeoutMs: 30_000 };
    await using exporter = new OtlpExporter(options, metrics, (note) => said.push(note));
    await exporter.exportMetrics();
    expect(said).toEqual([]);
    const read = async (query: string) => {
      const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0]?.value[1];
    };
    await fetch(`${url}/internal/force_flush`);
    const kills = String(eventsOfType(events, 'oom.kill').length);
    await until(async () => (await read('sum(oomscope_oom_kills_total)')) === kills, 30_000);
    const names = metrics
      .text('prometheus')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/[{ ]/, 1)[0] as string);
    const answer = await fetch(`${url}/api/v1/label/__name__/values`);
    const { data } = (await answer.json()) as { data: string[] };
    expect(new Set(data)).toEqual(new Set(names));
    expect(await read('oomscope_oom_memory_back_seconds_count')).toBe(
      String(eventsOfType(events, 'oom.reaped').length),
    );
  });
});
