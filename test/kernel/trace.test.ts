/** Runs `oomscope trace` as a user does, and checks its output and its exit code. */
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import type { TracerStopped } from '../../src/model/events.ts';
import { ended, MAIN, oomscope, startTrace } from '../cli/cli.ts';
import { schemaErrors } from '../schema.ts';
import { MIB, oomKill, oomStorm, removeMemoryGroups } from './memcg.ts';

const small = { limitBytes: 16 * MIB };
/** Limits the output to kills in cgroups of this test, because this machine may have other kills. */
const mine = ['--cgroup', `*/oomscope-${process.pid}-*`];

describe('oomscope trace', () => {
  afterEach(() => removeMemoryGroups());

  it('writes one valid JSON line for each event, and exits with code 0 after --count kills', async () => {
    const trace = await startTrace([...mine, '--count', '1']);
    const { pid } = await oomKill(small);
    const { code, stderr } = await trace.ended;
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(trace.events.map(({ type }) => type)).toEqual([
      'tracer.started',
      'oom.kill',
      'oom.reaped',
      'tracer.stopped',
    ]);
    expect(trace.events[1]).toMatchObject({ victim: { pid } });
    for (const event of trace.events) expect(schemaErrors(event)).toEqual([]);
    const numbers = trace.events.map(({ seq }) => seq);
    expect(numbers[0]).toBe(0);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b)); // other kills on this machine take numbers as well
  });

  it('ends on Ctrl-C with a summary', async () => {
    const trace = await startTrace(mine);
    await oomKill(small);
    trace.child.kill('SIGINT');
    expect(await trace.ended).toMatchObject({ code: 0, signal: null });
    expect(trace.events.at(-1)).toMatchObject({ type: 'tracer.stopped', kills: { killed: 1 } });
  });

  it('ends after --duration', async () => {
    const { code, stdout } = await oomscope(['trace', '--json', ...mine, '--duration', '300ms']);
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['tracer.started', 'tracer.stopped']);
  });

  it('needs only CAP_BPF and CAP_PERFMON', async () => {
    const capabilities = ['--bounding-set=-all,+bpf,+perfmon', '--inh-caps=-all'];
    const trace = await startTrace([...mine, '--count', '1'], ['setpriv', ...capabilities, process.execPath, MAIN]);
    const { pid } = await oomKill(small);
    expect(await trace.ended).toMatchObject({ code: 0, stderr: '' });
    expect(trace.events[1]).toMatchObject({ type: 'oom.kill', victim: { pid }, enrichment: 'live' });
  });

  it('filters by name, cgroup and kind', async () => {
    const byName = await startTrace([...mine, '--comm', 'want?d', '--count', '1']);
    const byCgroup = await startTrace([...mine, '--kind', 'killed', '--count', '2']);
    const byOther = await startTrace([...mine, '--kind', 'group_member', '--kind', 'already_dying']);
    const other = await oomKill({ ...small, args: ['--comm', 'unwanted'] });
    const wanted = await oomKill({ ...small, args: ['--comm', 'wanted'] });
    await Promise.all([byName.ended, byCgroup.ended]);
    byOther.child.kill('SIGINT');
    await byOther.ended;
    const pids = (trace: typeof byName) =>
      trace.events.flatMap((event) => (event.type === 'oom.kill' ? [event.victim.pid] : []));
    expect(pids(byName)).toEqual([wanted.pid]);
    expect(pids(byCgroup)).toEqual([other.pid, wanted.pid]);
    expect(pids(byOther)).toEqual([]);
    expect(byOther.events.map(({ type }) => type)).toEqual(['tracer.started', 'tracer.stopped']);
    const stopped = byOther.events.at(-1) as TracerStopped;
    const total = Object.values(stopped.kills).reduce((sum, count) => sum + count, 0);
    expect(stopped.kills_hidden).toBe(total);
    expect(stopped.message).toContain(`${total} kills, all of them hidden by the filters, 0 lost`);
  });

  it('writes text that no process name can break', async () => {
    const child = spawn(process.execPath, [MAIN, 'trace', '--text', ...mine, '--count', '1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = ended(child);
    await new Promise((resolve) => child.stderr.once('data', resolve));
    await oomKill({ ...small, args: ['--comm', '\\x0aX\\x1b[2J\\xff'] });
    const { code, stdout, stderr } = await end;
    expect(code).toBe(0);
    expect(stdout).toMatch(/KILLED {3}\\x0aX\\x1b\[2J\ufffd \(pid \d+\)/);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]/u);
    expect(stdout).toMatch(/GONE .* memory back after/);
    expect(stderr).toMatch(/Stopped after .* kills?.*, 0 lost/);
  });

  it('ends without an error message when the reader of its output closes the pipe', async () => {
    const child = spawn(process.execPath, [MAIN, 'trace', '--json', ...mine], { stdio: ['ignore', 'pipe', 'pipe'] });
    const end = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.destroy();
    await oomKill(small); // the next write finds the pipe closed
    expect(await end).toEqual({ code: 0, signal: null });
    expect(stderr).toBe('');
  });

  it('counts and reports the events that it drops while the reader of its output does not read', {
    timeout: 240_000,
  }, async () => {
    const child = spawn(process.execPath, [MAIN, 'trace', '--json', ...mine], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.pause();
    await oomStorm(600, { parallel: 4, limitBytes: 4 * MIB });
    child.stdout.resume();
    const finished = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await oomKill(small);
    child.kill('SIGINT');
    expect(await finished).toMatchObject({ code: 0 });
    const events = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const lost = events.filter(({ type }) => type === 'tracer.lost');
    expect(lost).not.toEqual([]);
    for (const event of lost) expect(event.where).toBe('reader');
    const dropped = lost.reduce((sum, { lost }) => sum + (lost['oom.kill'] ?? 0), 0);
    const seen = events.filter(({ type }) => type === 'oom.kill').length;
    expect(dropped).toBeGreaterThan(0);
    expect(seen + dropped).toBe(601);
  });
});
