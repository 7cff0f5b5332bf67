/** Replaces sinks while alerts arrive, as a reload of the configuration does. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AlertSinks } from '../../src/alerts/alert-sinks.ts';
import type { SinkOptions } from '../../src/alerts/sink-table.ts';
import { anAlert, resolved } from './alerts.ts';
import { Receiver, until } from './receiver.ts';

let directory: string;
let receiver: Receiver;
let open: AlertSinks[] = [];
const reports: string[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-sinks-'));
  receiver = await Receiver.start();
  reports.length = 0;
});
afterEach(async () => {
  await Promise.all(open.map((sinks) => sinks.close(0)));
  open = [];
  await receiver.down();
  rmSync(directory, { recursive: true });
});

async function start(...options: SinkOptions[]): Promise<AlertSinks> {
  const sinks = await AlertSinks.open(options, {
    onReport: ({ message }) => reports.push(message),
    onTrouble: (message) => reports.push(message),
  });
  open.push(sinks);
  return sinks;
}

const replace = async (sinks: AlertSinks, ...options: SinkOptions[]) => (await sinks.prepare(options)).commit();
const webhook = (more: Partial<SinkOptions> = {}): SinkOptions => ({ sink: 'webhook', target: receiver.url, ...more });
const titles = () => receiver.received.map(({ body }) => JSON.parse(body).data.title);

it('keeps a sink and its spool when its options do not change, in 44 replacements', async () => {
  const options = webhook({ spool: join(directory, 'spool') });
  const sinks = await start(options);
  for (let i = 0; i < 44; i++) {
    sinks.send(anAlert({ title: String(i) }));
    await replace(sinks, { ...options });
  }
  await until(() => titles().length === 44);
  expect(titles()).toEqual(Array.from({ length: 44 }, (_, i) => String(i)));
  expect(sinks.counts).toMatchObject([{ counts: { delivered: 44, retried: 0 } }]);
});

it.each([
  ['a spool', (i: number) => ({ spool: join(directory, 'spool'), timeoutMs: 1_000 + i })],
  ['a queue in memory', (i: number) => ({ timeoutMs: 1_000 + i })],
])('keeps %s when other options change, and delivers every alert once and in order', async (_, version) => {
  const sinks = await start(webhook(version(0)));
  receiver.answer = (response) => void setTimeout(() => response.end('ok'), 3);
  for (let i = 0; i < 40; i++) {
    sinks.send(anAlert({ title: String(i) }));
    if (i % 4 === 3) await replace(sinks, webhook(version(i)));
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await until(() => titles().length >= 40);
  await sinks.close();
  expect(titles()).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
  expect(reports.filter((report) => !report.endsWith(': 200 OK.'))).toEqual([]);
});

it('sends the end of an episode that began before the sinks were replaced', async () => {
  const sinks = await start(webhook());
  const alert = anAlert();
  sinks.send(alert);
  await replace(sinks, webhook({ timeoutMs: 1_234 }));
  sinks.send(resolved(alert));
  sinks.send(resolved(anAlert())); // an end whose beginning was never sent
  await until(() => receiver.received.length === 2);
  await sinks.close();
  expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual([
    'oomscope.alert.firing',
    'oomscope.alert.resolved',
  ]);
});

it('changes nothing when one of the new sinks cannot be opened', async () => {
  const options = webhook({ spool: join(directory, 'spool') });
  const sinks = await start(options);
  for (const bad of [
    { sink: 'file', target: '/no/such/place' },
    { sink: 'file', target: join(directory, 'x'), spool: '/proc/nothing/spool' },
    { sink: 'slack', target: receiver.url, spool: join(directory, 'spool') }, // used by the sink that stays
  ]) {
    const other = webhook({ spool: join(directory, 'other'), timeoutMs: 5 });
    await expect(replace(sinks, other, options, bad)).rejects.toThrow(/spool|directory/);
    sinks.send(anAlert({ title: bad.sink }));
  }
  await until(() => titles().length === 3);
  expect(titles()).toEqual(['file', 'file', 'slack']);
  // the failed replacement has released this spool
  const retry = await start(webhook({ spool: join(directory, 'other') }));
  await retry.close();
});

it('delivers the waiting alerts of a sink that is removed', async () => {
  const file = join(directory, 'alerts.jsonl');
  const sinks = await start({ sink: 'file', target: file }, webhook());
  for (let i = 0; i < 20; i++) sinks.send(anAlert());
  await replace(sinks);
  sinks.send(anAlert());
  await sinks.close();
  expect(titles()).toHaveLength(20);
  expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(20);
});

it('keeps in the spool the alerts that a removed sink could not deliver', async () => {
  await receiver.down();
  const spool = join(directory, 'spool');
  const sinks = await start(webhook({ spool }));
  for (let i = 0; i < 3; i++) sinks.send(anAlert());
  await replace(sinks);
  await sinks.close();
  expect(readdirSync(spool)).toHaveLength(3);
  expect(reports.at(-1)).toMatch(/3 alerts kept for the next start/);
  await receiver.up();
});

it('reopens a sink when the content of its secret file has changed', async () => {
  const token = join(directory, 'token');
  const options = webhook({ token: { file: token } });
  writeFileSync(token, 'old', { mode: 0o600 });
  const sinks = await start(options);
  sinks.send(anAlert());
  await until(() => receiver.received.length === 1);
  writeFileSync(token, 'new');
  await replace(sinks, options);
  sinks.send(anAlert());
  await until(() => receiver.received.length === 2);
  expect(receiver.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
});

it('releases the lock of a spool that is no longer configured', async () => {
  const spool = join(directory, 'spool');
  const sinks = await start(webhook({ spool }));
  await replace(sinks, webhook());
  sinks.send(anAlert({ title: 'after' }));
  await until(() => titles().includes('after'));
  await until(() => !existsSync(join(spool, 'lock')));
});

it('closes within 5 s, whatever its sinks do', async () => {
  receiver.answer = () => {};
  const sinks = await start(webhook(), webhook({ timeoutMs: 60_000, spool: join(directory, 'spool') }));
  sinks.send(anAlert());
  await until(() => receiver.received.length === 2);
  await replace(sinks, webhook({ timeoutMs: 59_000 }), webhook({ timeoutMs: 58_000, spool: join(directory, 'spool') }));
  sinks.send(anAlert());
  const began = performance.now();
  await sinks.close();
  expect(performance.now() - began).toBeLessThan(5_000);
});
