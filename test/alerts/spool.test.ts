/** The queue on disk, and a webhook sink whose receiver is down for 20 s. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher } from '../../src/alerts/dispatch.ts';
import { webhook } from '../../src/alerts/sinks/webhook.ts';
import { Spool } from '../../src/alerts/spool.ts';
import { anAlert } from './alerts.ts';
import { Receiver, until } from './receiver.ts';

let directory: string;
const troubles: string[] = [];
const spool = (given: { most?: number; mostBytes?: number; directory?: string } = {}) =>
  new Spool({ directory, onTrouble: (message) => troubles.push(message), ...given });
const files = (at = directory) => readdirSync(at).filter((name) => name.endsWith('.json'));

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'oomscope-spool-')), 'spool');
  troubles.length = 0;
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true }));

async function titles(queue: Spool): Promise<string[]> {
  const all: string[] = [];
  for (let [waiting] = await queue.heads(1); waiting; [waiting] = await queue.heads(1)) {
    all.push(waiting.alert.title);
    queue.remove(waiting.number);
  }
  return all;
}

describe('a spool', () => {
  it('passes undelivered alerts to the next process, in order', async () => {
    const before = spool();
    for (let i = 0; i < 12; i++) before.push(anAlert({ title: String(i) }));
    const [first] = await before.heads(1);
    before.remove(first?.number ?? -1);
    await before.close();
    expect(files()).toHaveLength(11);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, files()[0] ?? '')).mode & 0o777).toBe(0o600);

    const after = spool();
    after.push(anAlert({ title: 'new' }));
    expect(await titles(after)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', 'new']);
    await after.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('drops the oldest alerts beyond its limits, but not the alert being delivered', async () => {
    const queue = spool({ most: 3 });
    for (let i = 0; i < 3; i++) queue.push(anAlert({ title: String(i) }));
    await queue.heads(1);
    expect([queue.push(anAlert({ title: '3' })), queue.push(anAlert({ title: '4' }))]).toEqual([1, 1]);
    expect(await titles(queue)).toEqual(['0', '3', '4']);
    await queue.close();
    const small = spool({ mostBytes: 1_000 });
    let dropped = 0;
    for (let i = 0; i < 20; i++) dropped += small.push(anAlert({ title: String(i) }));
    await small.close();
    const bytes = files().reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
    expect(bytes).toBeLessThanOrEqual(1_000);
    expect(dropped + files().length).toBe(20);
  });

  it('is refused while another process uses it, and can be opened when that process is dead', async () => {
    const queue = spool();
    expect(() => spool()).toThrow(/is used by another process or another sink; give every sink its own directory/);
    await queue.close();
    const child = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim();
    writeFileSync(join(directory, 'lock'), `${child} 12345`); // this pid may belong to another process by now
    writeFileSync(join(directory, 'lock'), `${process.ppid} 1`);
    const next = spool();
    await next.close();
  });

  it('skips a file that is not an alert, and reports it', async () => {
    const before = spool();
    before.push(anAlert({ title: 'whole' }));
    await before.close();
    writeFileSync(join(directory, '000000000000.json'), '{"id":');
    const after = spool();
    expect(await titles(after)).toEqual(['whole']);
    await after.close();
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toMatch(/000000000000\.json is not an alert and is kept as 000000000000\.json\.rejected: /);
  });

  it('refuses a path that is not a usable directory', () => {
    expect(() => spool({ directory: '/proc/nothing/spool' })).toThrow(/cannot make \/proc\/nothing\/spool/);
    expect(() => spool({ directory: '/etc/passwd' })).toThrow(
      /spool: expected a directory at \/etc\/passwd, got something else/,
    );
  });

  it.skipIf(process.geteuid?.() !== 0)('delivers from memory when the disk is full, and reports it', async () => {
    const disk = join(directory, '..', 'disk');
    execFileSync('mkdir', [disk]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk]);
    try {
      const queue = spool({ directory: join(disk, 'spool') });
      const given = Array.from({ length: 20 }, (_, i) => `${i}`);
      for (const title of given) queue.push(anAlert({ title }));
      await until(() => troubles.length > 0);
      expect(troubles[0]).toMatch(/held in memory only: ENOSPC/);
      expect(await titles(queue)).toEqual(given);
      await queue.close();
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

it('a receiver that is down for 20 s, during which oomscope restarts, gets every alert once and in order', async () => {
  const receiver = await Receiver.start();
  const got = () => receiver.received.map(({ body }) => JSON.parse(body).data.title);
  const start = () =>
    new Dispatcher([{ sink: webhook({ url: receiver.url }), queue: spool(), firstRetryMs: 100, mostRetryMs: 1_000 }]);

  const before = start();
  before.send(anAlert({ title: '0' }));
  await until(() => got().length === 1);
  await receiver.down();
  const back = performance.now() + 20_000;
  for (let i = 1; i < 40; i++) before.send(anAlert({ title: String(i) }));
  await until(() => (before.counts[0]?.counts.retried ?? 0) >= 3);
  await before.close(0);
  expect(before.counts[0]?.counts).toMatchObject({ delivered: 1, dropped: 0, failed: 0, waiting: 39 });
  expect(files()).toHaveLength(39);

  const after = start();
  for (let i = 40; i < 60; i++) after.send(anAlert({ title: String(i) }));
  await new Promise((resolve) => setTimeout(resolve, back - performance.now()));
  expect(got()).toHaveLength(1);
  await receiver.up();
  await until(() => got().length >= 60);
  await after.close();
  await receiver.down();
  expect(got()).toEqual(Array.from({ length: 60 }, (_, i) => String(i)));
  expect(existsSync(directory) && files()).toEqual([]);
});
