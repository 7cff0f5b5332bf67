/** `oomscope trace --alert`: real kills, and receivers that are down or hang. The output lines never wait for a receiver. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Receiver, until } from '../alerts/receiver.ts';
import { startTrace } from '../cli/cli.ts';
import { MIB, oomKill, removeMemoryGroups } from './memcg.ts';

const mine = ['--cgroup', `*/oomscope-${process.pid}-*`];
const small = { limitBytes: 16 * MIB };

describe('oomscope trace --alert', () => {
  let directory: string;
  const receivers: Receiver[] = [];
  const receiver = async () => {
    const started = await Receiver.start();
    receivers.push(started);
    return started;
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'oomscope-alerts-'));
  });
  afterEach(async () => {
    removeMemoryGroups();
    for (const one of receivers.splice(0)) await one.down();
    rmSync(directory, { recursive: true });
  });

  it('delivers each kill once to a sink that works, to one that is down at first, and to one that hangs', async () => {
    const [away, hung] = [await receiver(), await receiver()];
    hung.answer = () => {};
    await away.down();
    const file = join(directory, 'alerts.jsonl');
    const spool = join(directory, 'spool');
    const sinks = [`webhook=${hung.url}`, `webhook=${away.url}/T0K3N spool=${spool}`, `file=${file}`];
    const trace = await startTrace([...mine, ...sinks.flatMap((sink) => ['--alert', sink])]);
    const pids: number[] = [];
    for (let i = 0; i < 4; i++) pids.push((await oomKill({ ...small, args: ['--comm', `victim-${i}`] })).pid);

    const kills = () => trace.events.filter((event) => event.type === 'oom.kill');
    const inFile = () => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []);
    await until(() => kills().length === 4 && inFile().length === 4);
    expect(kills().map(({ victim }) => victim.pid)).toEqual(pids);
    expect(inFile().map((line) => JSON.parse(line).event)).toEqual(kills());
    await until(() => hung.received.length === 1);

    await away.up();
    const heard = () => away.received.map(({ body }) => JSON.parse(body).data.event.victim.pid);
    await until(() => heard().length === 4, 20_000);
    trace.child.kill('SIGINT');
    const { code, stderr } = await trace.ended;
    expect(code).toBe(0);
    expect(heard()).toEqual(pids);
    // the first delivery has not timed out yet, or was given up when the command ended
    expect(hung.received).toHaveLength(1);
    expect(stderr).toContain(`webhook ${away.url}/…: connect ECONNREFUSED`);
    expect(stderr).toContain(`webhook ${away.url}/…: answers again after`);
    expect(stderr).toContain(`webhook ${hung.url}/…: 4 alerts not delivered before the end.`);
    expect(stderr).not.toContain('T0K3N');
  });

  it('keeps undelivered alerts in its spool for the next start', async () => {
    const away = await receiver();
    await away.down();
    const sink = `webhook=${away.url} spool=${join(directory, 'spool')}`;
    const first = await startTrace([...mine, '--alert', sink, '--count', '1']);
    const { pid } = await oomKill(small);
    expect((await first.ended).stderr).toContain('1 alert kept for the next start.');
    await away.up();
    const second = await startTrace([...mine, '--alert', sink]);
    await until(() => away.received.length === 1);
    second.child.kill('SIGINT');
    expect(await second.ended).toMatchObject({ code: 0, stderr: '' });
    expect(away.received.map(({ body }) => JSON.parse(body).data.event.victim.pid)).toEqual([pid]);
  });

  it('sends one alert for a kill even when the kernel log report of the kill is also read', async () => {
    const file = join(directory, 'alerts.jsonl');
    const trace = await startTrace([...mine, '--report', '--alert', `file=${file}`]);
    const { pid } = await oomKill(small);
    await until(() => trace.events.some(({ type }) => type === 'oom.report'));
    await until(() => existsSync(file));
    trace.child.kill('SIGINT');
    expect((await trace.ended).code).toBe(0);
    const types = trace.events.map(({ type }) => type);
    expect(types.indexOf('oom.kill')).toBeLessThan(types.indexOf('oom.report'));
    const alerts = readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: short
    expect(alerts.map(({ event }) => [event.type, event.victim.pid])).toEqual([['oom.kill', pid]]);
  });
});
