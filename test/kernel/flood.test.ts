import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { type Child, startChild } from './children/child.ts';
import { bpfUnavailable } from './unavailable.ts';

interface Account {
  delivered: number;
  /** Lost records according to the events of lost$, and to lostSoFar() before and after close(). */
  lostReported: number;
  lostSoFar: number;
  lostAfterClose: number;
  malformed: number;
  /** Records that arrived after a later record of the same CPU. */
  disordered: number;
  /** Sequence numbers that never arrived, except those after the last record of a CPU. */
  gaps: number;
}

async function start(ringBytes: number): Promise<{ accountant: Child; flood: Child }> {
  const accountant = startChild('accountant', [String(ringBytes)]);
  const { mapIds } = await accountant.next<{ mapIds: { ring: number; counters: number } }>();
  const flood = startChild('flood', [String(mapIds.ring), String(mapIds.counters)]);
  await flood.next();
  return { accountant, flood };
}

async function run(flood: Child, runs: number): Promise<number> {
  flood.process.stdin?.write(`${runs}\n`);
  return (await flood.next<{ records: number }>()).records;
}

/** Ends the tracer process and the flooding process. */
async function settle(accountant: Child, flood: Child): Promise<Account> {
  accountant.process.stdin?.write('report\n');
  const account = await accountant.next<Account>();
  for (const child of [accountant, flood]) {
    child.process.stdin?.end();
    expect(await child.ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  }
  return account;
}

function balances(account: Account, produced: number): void {
  expect(account.delivered + account.lostReported).toBe(produced);
  expect(account.lostSoFar).toBe(account.lostReported);
  expect(account.lostAfterClose).toBe(account.lostReported);
  expect(account).toMatchObject({ malformed: 0, disordered: 0 });
  expect(account.gaps).toBeLessThanOrEqual(account.lostReported);
}

describe.skipIf(bpfUnavailable())('delivered + lost = produced', () => {
  test('counts every lost record while JavaScript is blocked for two seconds', async () => {
    const { accountant, flood } = await start(512 * 1024);
    accountant.process.stdin?.write('block 2000\n');
    expect(await accountant.next()).toBe('blocking');
    // The ring and two batches hold some 16,000 records of 48 bytes: most of these are lost.
    const produced = await run(flood, 200);
    expect(await accountant.next()).toBe('awake');
    const account = await settle(accountant, flood);
    balances(account, produced);
    expect(account.lostReported).toBeGreaterThan(produced / 2);
    expect(account.delivered).toBeGreaterThan((512 * 1024) / 48 - 512);
  });

  test('counts every lost record while JavaScript reads from the smallest ring', async () => {
    const { accountant, flood } = await start(65536);
    const produced = await run(flood, 4000);
    const account = await settle(accountant, flood);
    balances(account, produced);
    expect(account.delivered).toBeGreaterThan(0);
  });

  test('loses nothing while the ring has room', async () => {
    const { accountant, flood } = await start(2 ** 20);
    let produced = 0;
    for (let i = 0; i < 10; i++) produced += await run(flood, 2);
    const account = await settle(accountant, flood);
    balances(account, produced);
    expect(account).toMatchObject({ delivered: produced, lostReported: 0, gaps: 0 });
  });

  test('reports as lost exactly the missing sequence numbers of each CPU', async () => {
    const { accountant, flood } = await start(65536);
    execFileSync('taskset', ['-pc', '0', String(flood.process.pid)]);
    accountant.process.stdin?.write('block 500\n');
    expect(await accountant.next()).toBe('blocking');
    let produced = await run(flood, 20);
    expect(await accountant.next()).toBe('awake');
    // A gap is visible only when a record follows it, so make one more run, into an empty ring.
    accountant.process.stdin?.write('drain\n');
    expect(await accountant.next()).toBe('drained');
    produced += await run(flood, 1);
    const account = await settle(accountant, flood);
    balances(account, produced);
    expect(account.lostReported).toBeGreaterThan(0);
    expect(account.gaps).toBe(account.lostReported);
  });
});
