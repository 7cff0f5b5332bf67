/** The npm package: its metadata, its types under several compilers, and the parts that run without RxJS. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilers, Packed, ROOT, rxjsVersions } from './packed.ts';

let packed: Packed;
beforeAll(() => {
  packed = new Packed();
});
afterAll(() => packed[Symbol.dispose]());

const run = (file: string, arguments_: readonly string[], cwd = ROOT) =>
  spawnSync(process.execPath, [file, ...arguments_], { cwd, encoding: 'utf8' });

describe('the metadata', () => {
  it('passes publint --strict', () => {
    const { status, stdout, stderr } = run('node_modules/publint/src/cli.js', ['run', packed.tarball, '--strict']);
    expect(`${stdout}${stderr}`).toContain('All good!');
    expect(status).toBe(0);
  });

  it('has types for every entry point, by arethetypeswrong with profile esm-only', () => {
    const attw = 'node_modules/@arethetypeswrong/cli/dist/index.js';
    const { status, stdout } = run(attw, [packed.tarball, '--profile', 'esm-only', '--format', 'ascii']);
    expect(stdout).toContain('"oomscope/testing"');
    expect(status, stdout).toBe(0);
  });

  it('contains no sources, no tests and no build information', () => {
    const files = execFileSync('tar', ['tzf', packed.tarball], { encoding: 'utf8' }).split('\n');
    expect(files).toContain('package/dist/cli/main.js');
    expect(files).toContain('package/dist/cli/LICENSE.rxjs.txt');
    expect(files.filter((name) => /tsbuildinfo|\.debug$|flood|\/src\/|\/test\/|[^d]\.ts$/.test(name))).toEqual([]);
  });
});

const consumer = `
import { firstValueFrom, type Observable } from 'rxjs';
import { alertTo, episode, levelAtLeast, openTracer, OomscopeError, perCgroup, sustained } from 'oomscope';
import type { Event, OomKill, OomReport, PressureLevel } from 'oomscope';
import { readLog } from 'oomscope/explain';
import { eventsOfType, play, recordings, withChanges } from 'oomscope/testing';
import schema from 'oomscope/schema' with { type: 'json' };

export async function main(): Promise<void> {
  using tracer = await openTracer({ pressure: true });
  const kill: OomKill = await firstValueFrom(tracer.oomKills$);
  const limit: number | null | undefined = kill.limit?.limit_bytes;
  tracer.pressure$.pipe(perCgroup((events$: Observable<PressureLevel>) => events$.pipe(sustained(500), levelAtLeast('medium'))), episode());
  await using alerts = alertTo(tracer.events$, []);
  for await (const event of tracer) {
    const known: Event = event;
    if (known.type === 'pressure.level') console.log(known.subject.container?.name, known.duration_ns, limit, alerts.counts);
  }
}
const reports: OomReport[] = [];
await readLog('-', { onReport: (report) => reports.push(report) });
const [first] = eventsOfType(recordings.containerKill, 'oom.kill');
if (first) play([withChanges(first, { victim: { comm: 'db' } })]).subscribe();
console.log(schema.$id, new OomscopeError('USAGE', 'x').code);
// @ts-expect-error: an option that does not exist
void openTracer({ ringByte: 1 });
`;
const tsconfig = {
  compilerOptions: {
    ...{ target: 'es2022', module: 'nodenext', strict: true, exactOptionalPropertyTypes: true, types: ['node'] },
    ...{ lib: ['es2023', 'esnext.disposable'], resolveJsonModule: true, skipLibCheck: false, noEmit: true },
  },
};

describe('the types, without skipLibCheck', () => {
  for (const [compiler, tsc] of Object.entries(compilers)) {
    it.each(Object.entries(rxjsVersions))(`compile with ${compiler} and the %s RxJS`, (_, rxjs) => {
      const files = { 'consumer.ts': consumer, 'tsconfig.json': JSON.stringify(tsconfig) };
      const { status, stdout } = run(tsc, ['-p', '.'], packed.project(rxjs, files));
      expect(stdout).toBe('');
      expect(status).toBe(0);
    });
  }
});

describe('the installed package', () => {
  const script = (project: string, code: string) => run('--input-type=module', ['--eval', code], project);

  it.each(Object.entries(rxjsVersions))('runs the library with the %s RxJS of the project', (_, rxjs) => {
    const code = `
      import { Observable } from 'rxjs';
      import { watchUsage } from 'oomscope';
      import { play, recordings } from 'oomscope/testing';
      console.log(watchUsage() instanceof Observable, play(recordings.groupKill) instanceof Observable);`;
    expect(script(packed.project(rxjs), code)).toMatchObject({ stdout: 'true true\n', stderr: '' });
  });

  it('runs the command and oomscope/explain without RxJS', () => {
    const project = packed.project(undefined);
    const main = 'node_modules/oomscope/dist/cli/main.js';
    const log = join(ROOT, 'test/fixtures/oom-logs/6.12/v2-memcg.kmsg');
    expect(run(main, ['--version'], project)).toMatchObject({
      stdout: expect.stringMatching(/^oomscope \d/),
      status: 0,
    });
    expect(run(main, ['explain', log, '--json'], project)).toMatchObject({ stderr: '', status: 0 });
    for (const verb of ['trace', 'pressure', 'guard', 'run', 'scores', 'doctor'])
      expect(run(main, [verb, '--help'], project), verb).toMatchObject({ stderr: '', status: 0 });
    const code = `
      import { readLog } from 'oomscope/explain';
      const { reports } = await readLog(${JSON.stringify(log)}, { onReport() {} });
      console.log(reports);`;
    expect(script(project, code)).toMatchObject({ stdout: '1\n', stderr: '' });
    expect(script(project, "await import('oomscope')").stderr).toContain("'rxjs'");
  });
});
