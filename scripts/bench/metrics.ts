/**
 * Measures the metrics at 500 cgroups: time and size of a scrape, the longest slice of a pass, memory of `oomscope run`
 * with and without them, and 50,000 containers that come and go.
 *
 *   npm -s run bench:metrics -- [--cgroups N] [--churn N] [--json FILE]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ownerOf } from '../../src/containers/container-path.ts';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';

const { values: options } = parseArgs({
  options: {
    cgroups: { type: 'string', default: '500' },
    churn: { type: 'string', default: '50000' },
    json: { type: 'string' },
  },
});
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const MIB = 2 ** 20;
const CLI = resolve(import.meta.dirname, '../../dist/cli/main.js');
/** The import of the kernel log has ended, and its memory is given back. */
const SETTLE_MS = 60_000;
const GOALS = { scrape_ms: 5, bytes: MIB, slice_ms: 5, memory_mb: 20 };
const where = circumstances();
const parent = createMemoryGroup({ limitBytes: 512 * MIB, name: `oomscope-bench-${process.pid}` });

const scrapes = await scrapeCosts(Number(options.cgroups));
const churned = await churn(Number(options.churn));
parent.remove();
const METRICS = '[metrics]\nlisten = "127.0.0.1:0"\n';
const memory = {
  'without both': await residentOf(() => ''),
  'with [metrics]': await residentOf(() => METRICS),
  'with [metrics] and [history]': await residentOf(
    (directory) => `${METRICS}[history]\npath = "${directory}/history.db"\n`,
  ),
  'with [metrics] and [otlp]': await residentOf(
    () => `${METRICS}[otlp]\nendpoint = "http://127.0.0.1:1"\nevery = "1s"\n`,
  ),
};
where.load_after = circumstances().load_before;
report();

/** Makes units with limits, and scrapes as Prometheus does, between passes. */
async function scrapeCosts(count: number) {
  const units = Array.from({ length: count }, (_, i) => parent.child(`bench-${i}.service`, MIB));
  await using metrics = new Metrics({ sources: { ownerOf } });
  const times: number[] = [];
  const cpu: number[] = [];
  const passes: number[] = [];
  const late: number[] = [];
  let bytes = 0;
  for (let round = 0; round < 20; round++) {
    const end = watchTheLoop(late);
    const from = performance.now();
    await metrics.sample();
    passes.push(performance.now() - from);
    end();
    for (let i = 0; i < 5; i++) {
      const begin = performance.now();
      const before = process.cpuUsage();
      bytes = Buffer.byteLength(metrics.text(i % 2 === 0 ? 'openmetrics' : 'prometheus'));
      times.push(performance.now() - begin);
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000);
    }
  }
  for (const unit of units) unit.remove();
  const busy = metrics.registry.size;
  return {
    cgroups: count,
    series: busy,
    bytes,
    scrape_ms: summarize(times),
    cpu_ms: summarize(cpu),
    pass_ms: summarize(passes),
    late_ms: summarize(late),
  };
}

/** Notes how late a timer of 1 ms fires: an event would have to wait for as long. @returns a function that ends this */
function watchTheLoop(late: number[]): () => void {
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - last - 1));
    last = now;
  }, 1);
  return () => clearInterval(timer);
}

/** Cgroups with the names of containers that are made and removed, 500 at a time, with a pass over each 500. */
async function churn(count: number) {
  await using metrics = new Metrics({ sources: { ownerOf: (path) => named(path) }, floorBytes: 0 });
  const rss: number[] = [];
  const series: number[] = [];
  for (let done = 0; done < count; done += 500) {
    const paths = Array.from({ length: 500 }, (_, i) =>
      join(parent.path, `docker-${(done + i).toString(16).padStart(64, '0')}.scope`),
    );
    for (const path of paths) mkdirSync(path);
    await metrics.sample();
    metrics.text('prometheus');
    for (const path of paths) rmdirSync(path);
    collect();
    rss.push(process.memoryUsage().heapUsed / 1e6);
    series.push(metrics.registry.size);
  }
  await metrics.sample();
  const tenth = Math.ceil(rss.length / 10);
  const mean = (values: number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  return {
    containers: count,
    most_series: Math.max(...series),
    series_after: metrics.registry.size,
    heap_mb_second_tenth: mean(rss.slice(tenth, 2 * tenth)),
    heap_mb_last_tenth: mean(rss.slice(-tenth)),
  };
}

/** As a runtime would name the containers: each has a name of its own. */
function named(path: string) {
  const owner = ownerOf(path);
  return owner.container
    ? { ...owner, container: { ...owner.container, name: `job-${owner.container.id.slice(-6)}` } }
    : owner;
}

/** The resident and anonymous memory of an idle `oomscope run`, in MB, after it was scraped. */
async function residentOf(sections: (directory: string) => string): Promise<{ rss_mb: number; anonymous_mb: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-bench-metrics-'));
  const file = join(directory, 'oomscope.toml');
  writeFileSync(file, sections(directory));
  const child = spawn(process.execPath, ['--max-old-space-size=64', CLI, 'run', '--config', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  while (!said.includes('Press Ctrl-C')) await sleep(20);
  const url = /http:\S+metrics/.exec(said)?.[0];
  for (let i = 0; i < 20 && url; i++) {
    await (await fetch(url, { headers: { accept: 'application/openmetrics-text' } })).text();
    await sleep(100);
  }
  await sleep(SETTLE_MS);
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const of = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  child.kill('SIGTERM');
  await once(child, 'exit');
  rmSync(directory, { recursive: true });
  return { rss_mb: of('VmRSS'), anonymous_mb: of('RssAnon') };
}

function report(): void {
  const ms = (value = Number.NaN) => value.toFixed(2);
  const { scrape_ms, cpu_ms, pass_ms, late_ms } = scrapes;
  say(inWords(where));
  say(
    table([
      [`at ${scrapes.cgroups} cgroups (${scrapes.series} series)`, 'p50', 'p99', 'max', 'goal'],
      ['a scrape, ms', ms(scrape_ms?.p50), ms(scrape_ms?.p99), ms(scrape_ms?.max), `p99 < ${GOALS.scrape_ms}`],
      ['CPU time of a scrape, ms', ms(cpu_ms?.p50), ms(cpu_ms?.p99), ms(cpu_ms?.max), ''],
      ['a pass, ms', ms(pass_ms?.p50), ms(pass_ms?.p99), ms(pass_ms?.max), ''],
      [
        'wait of an event during a pass, ms',
        ms(late_ms?.p50),
        ms(late_ms?.p99),
        ms(late_ms?.max),
        `p99 < ${GOALS.slice_ms}`,
      ],
      ['size of a scrape, kB', (scrapes.bytes / 1e3).toFixed(0), '', '', `< ${(GOALS.bytes / 1e3).toFixed(0)}`],
    ]),
  );
  say(
    table([
      [`${churned.containers} containers come and go`, ''],
      ['most series', String(churned.most_series)],
      ['series afterwards', String(churned.series_after)],
      ['heap, second tenth, MB', churned.heap_mb_second_tenth.toFixed(2)],
      ['heap, last tenth, MB', churned.heap_mb_last_tenth.toFixed(2)],
    ]),
  );
  say(
    table([
      ['oomscope run, MB', 'resident', 'anonymous', `more (goal: < ${GOALS.memory_mb})`],
      ...Object.entries(memory).map(([name, { rss_mb, anonymous_mb }]) => [
        name,
        rss_mb.toFixed(1),
        anonymous_mb.toFixed(1),
        (rss_mb - memory['without both'].rss_mb).toFixed(1),
      ]),
    ]),
  );
  writeJson(options.json, { ...where, scrapes, churned, memory });
}
