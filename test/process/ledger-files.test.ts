/** The undo files of guards in their directory: whose are read, and which one a guard gets. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { openOwnLedger, otherGuardWith, recoverLedgers } from '../../src/process/ledger-files.ts';

const options = { mayWrite: (path: string) => path.startsWith(directory) };
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-ledgers-'));
  const before = process.env.RUNTIME_DIRECTORY;
  process.env.RUNTIME_DIRECTORY = directory;
  return () => {
    if (before === undefined) delete process.env.RUNTIME_DIRECTORY;
    else process.env.RUNTIME_DIRECTORY = before;
    rmSync(directory, { recursive: true });
  };
});

const change = (path: string) => ({ kind: 'file' as const, path, by: 'test', before: 'max', written: '100' });
/** What is recovered in this directory: guards of other tests have files elsewhere. */
function recovered() {
  const { undone, running, held, problems } = recoverLedgers(options);
  return {
    undone: undone.filter(({ entry }) => entry.kind === 'file' && entry.path.startsWith(directory)),
    running: running.filter(({ path }) => path.startsWith(directory)),
    problems: problems.filter((problem) => problem.includes(directory)),
    held,
  };
}

test('each running guard has a file of its own, and the next one gets a free name', () => {
  const [first, second] = [openOwnLedger(options), openOwnLedger(options)];
  expect(readdirSync(directory).sort()).toEqual(['guard-2.jsonl', 'guard.jsonl']);
  first?.close();
  using third = openOwnLedger(options);
  expect(third?.path).toBe(join(directory, 'guard.jsonl'));
  second?.close();
});

test('a running guard keeps its changes, and another one sees that it has made them', () => {
  const file = join(directory, 'memory.high');
  writeFileSync(file, '100\n');
  using ledger = openOwnLedger(options);
  ledger?.record([change(file)]);
  const { undone, running, held } = recovered();
  expect([undone, running.length]).toEqual([[], 1]);
  expect(held.get(file)).toBe(`another guard (process ${process.pid})`);
  expect(otherGuardWith(file, undefined, options)).toBe(`another guard (process ${process.pid})`);
  expect(otherGuardWith(file, ledger?.path, options)).toBeUndefined();
});

test('a change of a killed guard that a running one has changed since stays recorded', () => {
  const file = join(directory, 'memory.high');
  writeFileSync(file, '50\n');
  const lines = `${JSON.stringify({ ...change(file), boot_id: null, time: '' })}\n`;
  writeFileSync(join(directory, 'guard-3.jsonl'), lines, { mode: 0o600 });
  using ledger = openOwnLedger(options);
  ledger?.record([{ ...change(file), before: '100', written: '50' }]);
  expect(recovered().undone).toMatchObject([
    { outcome: 'refused', detail: `another guard (process ${process.pid}) has changed it since, and still runs` },
  ]);
  expect(ledger?.undoAll()).toMatchObject([{ outcome: 'restored' }]);
  expect(recovered().undone).toMatchObject([{ outcome: 'restored' }]);
  expect(existsSync(join(directory, 'guard-3.jsonl'))).toBe(false);
});

test.each([
  ['guard.jsonl', 'guard-2.jsonl'],
  ['guard-9.jsonl', 'guard.jsonl'],
])('the damaged file %s is reported, and does not keep a guard from starting', (damaged, own) => {
  writeFileSync(join(directory, damaged), '{}\n', { mode: 0o600 });
  expect(recovered().problems).toEqual([
    expect.stringContaining(`${directory}/${damaged}:1: expected a line of oomscope's undo file`),
  ]);
  using ledger = openOwnLedger(options);
  expect(ledger?.path).toBe(join(directory, own));
  expect(readFileSync(join(directory, damaged), 'utf8')).toBe('{}\n');
});

test.skipIf(process.geteuid?.() !== 0)('the files in a directory of another user are not read', () => {
  writeFileSync(join(directory, 'guard-9.jsonl'), '{}\n', { mode: 0o600 });
  chownSync(directory, 65534, 65534);
  expect(recovered().problems).toEqual([]);
  chownSync(directory, 0, 0);
  chmodSync(directory, 0o777);
  expect(recovered().problems).toEqual([]);
});
