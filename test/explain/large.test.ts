/** Large logs: the search on threads of the addon, lines of JSON of many MiB, and logs that have their newest line first. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Anchors } from '../../src/explain/anchors.ts';
import { Phrases } from '../../src/explain/phrases.ts';
import { readLog } from '../../src/explain/read.ts';
import { readText } from '../../src/explain/read-text.ts';
import type { OomOtherKill } from '../../src/model/oom-other-kill.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { loadNative } from '../../src/native/addon.ts';
import { seeded } from '../seeded.ts';
import { explain, fixture, fixtures, forms, linesOf } from './corpus.ts';
import { mutateLine } from './mutate.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-large-'));
afterAll(() => rmSync(directory, { recursive: true }));

function save(text: string): string {
  const file = join(directory, 'log');
  writeFileSync(file, text);
  return file;
}

const bare = ({ id: _, seq: __, mono_ns: ___, time: ____, ...report }: OomReport) => report;

async function read(path: string) {
  const reports: OomReport[] = [];
  const others: OomOtherKill[] = [];
  const warnings: string[] = [];
  await readLog(path, {
    onReport: (report) => reports.push(report),
    onOther: (one) => others.push(one),
    onWarning: (one) => warnings.push(one),
  });
  return { reports, others, warnings };
}

const SERVICES = [
  'Jan  7 03:04:05 node-7 sshd[77]: Accepted publickey for deploy from 10.20.30.40 port 51234 ssh2',
  'Jan  7 03:04:05 node-7 kubelet[9]: will process pod web-1, oom_score_adj of the new process was set to 999',
  'Jan  7 03:04:05 node-7 app[12]: nothing to kill in process 12',
];
/** Lines of services, `bytes` in all. */
const services = (bytes: number, next: () => number) =>
  Array.from({ length: Math.ceil(bytes / 90) }, () => `${SERVICES[Math.floor(next() * SERVICES.length)]}\n`).join('');

const all = Object.values(forms);
/** A report of the lab in a random form, damaged. */
function damaged(next: () => number): string {
  const form = all[Math.floor(next() * all.length)] as (typeof all)[number];
  const lines = linesOf(fixture(fixtures[Math.floor(next() * fixtures.length)] as string)).map(form);
  const whole = next() < 0.5 ? lines : lines.flatMap((line) => (next() < 0.05 ? mutateLine(line, next) : [line]));
  const from = next() < 0.3 ? Math.floor(next() * whole.length) : 0;
  return `${whole.slice(from).join('\n')}\n`;
}

const strange = (next: () => number) =>
  [
    () => `${'x'.repeat(70_000 + Math.floor(next() * 100_000))} Killed process 7 (x)\n`,
    () =>
      `${JSON.stringify(Array.from({ length: 900 }, (_, at) => ({ message: `line ${at}: Killed process ${at} (one) total-vm:1kB, anon-rss:1kB, file-rss:0kB` })))}\n`,
    () =>
      'Jan  7 03:04:05 node-7 earlyoom[1]: sending SIGTERM to process 173803 uid 1000 "stress-ng-vm": badness 1002\n',
    () => 'Jan  7 03:04:05 node-7 kernel: [5.0] Killed process 9 (late) total-vm:9kB, anon-rss:1kB, file-rss:0kB\n',
    () =>
      'Jan  7 03:04:05 node-7 kernel: [6.0] oom_reaper: reaped process 8 (reaped), now anon-rss:0kB, file-rss:0kB\n',
    () => '\n\n',
  ][Math.floor(next() * 6)] as () => string;

describe('the search in the addon', () => {
  it('marks the same blocks as the search in TypeScript, whatever the bytes', async () => {
    const addon = loadNative();
    const next = seeded(14);
    for (let round = 0; round < 40; round++) {
      const phrases = round % 2 ? new Anchors(true).phrases : ['abca', 'aabb', 'cacab', 'bcbcbcb', 'aaaaaaaaaaaaaaaaa'];
      const bytes = Buffer.from(
        Array.from({ length: 300_000 }, () => 'abc '.charCodeAt(Math.floor(next() * (round % 4 ? 4 : 3)))),
      );
      for (let put = 0; put < 40; put++)
        bytes.write(
          phrases[Math.floor(next() * phrases.length)] as string,
          Math.floor(next() * (bytes.length + 30)) - 15,
        );
      writeFileSync(join(directory, 'bytes'), bytes);
      const [offset, length] = [Math.floor(next() * 9000), 1 + Math.floor(next() * bytes.length)];
      const finder = new Phrases(phrases);
      const expected = new Uint8Array(Math.ceil(length / 4096));
      for (let at = finder.find(bytes, offset); at >= 0 && at < offset + length; at = finder.find(bytes, at + 1)) {
        const block = Math.floor((at - offset) / 4096);
        const last = phrases.findLastIndex((phrase) => bytes.toString('latin1', at, at + phrase.length) === phrase);
        expected[block] = Math.max(expected[block] as number, last + 1);
      }
      const fd = openSync(join(directory, 'bytes'), 'r');
      const found = addon.findPhrases(fd, BigInt(offset), length, phrases);
      closeSync(fd); // the addon has its own
      expect(Buffer.from(await found).equals(expected), `round ${round}`).toBe(true);
    }
  });

  it('finds a phrase at every position, as indexOf() does', () => {
    const next = seeded(15);
    const { phrases } = new Anchors(false);
    const finder = new Phrases(phrases);
    for (let round = 0; round < 300; round++) {
      const text = [...Array(4)]
        .map(() => `${phrases[Math.floor(next() * phrases.length)]}${'K'.repeat(Math.floor(next() * 9))}`)
        .join('');
      const places = phrases.map((phrase) => text.indexOf(phrase)).filter((at) => at >= 0);
      expect(finder.find(Buffer.from(text), 0)).toBe(Math.min(...places));
    }
  });

  it('says what is wrong with an argument and with a descriptor', () => {
    const { findPhrases } = loadNative();
    expect(() => findPhrases(0, 0n, 10, [])).toThrow('phrases: expected 1 to 255');
    expect(() => findPhrases(0, 0n, 10, ['abc'])).toThrow('phrases: expected 4 to 255 bytes each');
    expect(() => findPhrases(-1, 0n, 10, ['abcd'])).toThrow('Bad file descriptor');
    expect(() => findPhrases(0, 1n << 63n, 10, ['abcd'])).toThrow('offset: expected less than 2^63');
  });

  it.each([1, 2, 3, 4])('gives the same reports of a large file as reading all its bytes (seed %i)', async (seed) => {
    const next = seeded(seed);
    let log = '';
    while (log.length < 9 * 2 ** 20) {
      log += services(next() < 0.3 ? 200 + next() * 9000 : next() * 2 ** 20, next);
      log += next() < 0.5 ? damaged(next) : strange(next)();
    }
    if (next() < 0.5) log += 'oom_reaper: reaped process 77 (end), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB';
    const file = save(log);
    const fromFile = await read(file);
    const fromBytes = explain(readFileSync(file));
    expect(fromFile.reports.map((one) => ({ ...bare(one), input: '' }))).toEqual(
      fromBytes.reports.map((one) => ({ ...bare(one), input: '' })),
    );
    expect(fromFile.warnings.map((one) => one.slice(file.length + 2))).toEqual(fromBytes.warnings);
    expect(fromFile.reports.length).toBeGreaterThan(5);
  });
});

it('finds the same reports in an installation without the addon', async () => {
  const log = `${services(5 * 2 ** 20, seeded(6))}${damaged(seeded(7))}${services(2 ** 19, seeded(8))}`;
  const file = save(log);
  const main = join(import.meta.dirname, '../../dist/cli/main.js');
  const explained = (env: NodeJS.ProcessEnv) =>
    execFileSync(process.execPath, [main, 'explain', file], { env: { ...process.env, ...env }, encoding: 'utf8' });
  const found = explained({});
  expect(found).toContain('KILLED');
  expect(explained({ OOMSCOPE_NATIVE: '/nonexistent' })).toBe(found);
});

describe('a log of 5 MiB', () => {
  const next = seeded(5);
  const head = `${linesOf(fixture('6.12/v2-memcg.kmsg'))
    .map(({ text }) => text)
    .join('\n')}\n`;
  it.each([
    [
      'the summary',
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=app,pid=42,uid=0',
      'app',
    ],
    ['the choice', 'Out of memory: Kill process 44 (app3) score 500 or sacrifice child', 'app3'],
    ['the reaper', 'oom_reaper: reaped process 43 (app2), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB', 'app2'],
    ['"Task in"', 'Task in /a/b killed as a result of limit of /a', undefined],
  ])('finds a report of which only %s is left, after a whole report', async (_, line, comm) => {
    const log = `${head}${services(2 ** 21, next)}Jan  7 03:04:05 node-7 kernel: ${line}\n${services(3 * 2 ** 20, next)}`;
    const { reports } = await read(save(log));
    expect(reports).toHaveLength(2);
    expect(reports[1]?.victim?.comm).toBe(comm);
  });

  it('finds the messages of other programs, far from a report of the kernel', async () => {
    const messages = [
      'Jan  7 03:04:05 h systemd-oomd[5]: Killed /a.slice/b.scope due to memory pressure for /a.slice being 78.56% > 50.00% for > 20s with reclaim activity',
      'Jan  7 03:04:06 h systemd[1]: b.scope: systemd-oomd killed 12 process(es) in this unit.',
      'Jan  7 03:04:07 h earlyoom[9]: sending SIGTERM to process 173803 uid 1000 "stress-ng-vm": badness 1002',
      'Jan  7 03:04:08 h kubelet[9]: System OOM encountered, victim process: app, pid: 12',
      'Jan  7 03:04:09 h systemd[1]: db.service: A process of this unit has been killed by the OOM killer.',
      "Jan  7 03:04:10 h systemd[1]: db.service: Failed with result 'oom-kill'.",
    ];
    const log = messages.map((one) => `${services(2 ** 20, next)}${one}\n`).join('');
    const { others, reports } = await read(save(log));
    expect(others.map(({ program }) => program)).toEqual([
      'systemd-oomd',
      'systemd-oomd',
      'earlyoom',
      'kubelet',
      'systemd',
      'systemd',
    ]);
    expect(reports).toEqual([]);
  });
});

const lines = linesOf(fixture('6.12/v2-ancestor.kmsg'));
const plain = explain(lines.map(({ text }) => text).join('\n'));
const START = Date.UTC(2026, 10, 20, 8);
const [begin, end] = [lines[0]?.timeUs ?? 0, lines.at(-1)?.timeUs ?? 0];
/** The lines of the report, with 12,000 lines of a program before and after them. */
const around = (at: number) => Array.from({ length: 12_000 }, (_, i) => ({ timeUs: at + i, text: `nothing ${i}` }));
const long = [...around(begin - 12_001), ...lines, ...around(end + 1)];
const nanoseconds = (us: number) => String((BigInt(START) * 1000n + BigInt(Math.floor(us))) * 1000n);
const iso = (us: number) =>
  `${new Date(START + us / 1000).toISOString().slice(0, -1)}${String(Math.floor(us) % 1000).padStart(3, '0')}Z`;
const loki = long.map(({ text, timeUs }) => [nanoseconds(timeUs), text]);
const entries = long.map(({ text, timeUs }) => ({
  insertId: 'a1',
  jsonPayload: { message: text, SYSLOG_IDENTIFIER: 'kernel' },
  resource: { type: 'k8s_node', labels: { node_name: 'web-1' } },
  timestamp: iso(timeUs),
}));
const streams = (values: unknown[]) => ({
  status: 'success',
  data: {
    result: [
      { stream: { job: 'idle' }, values: [] },
      { stream: { host: 'web-1' }, values },
    ],
    stats: {},
  },
});
const documents = (list: typeof entries) => ({
  took: 12,
  hits: {
    total: { value: 9 },
    hits: list.map(({ timestamp, jsonPayload }) => ({
      _source: { '@timestamp': timestamp, host: { name: 'web-1' }, ...jsonPayload },
    })),
  },
});

describe('JSON of many MiB on one line', () => {
  it.each([
    ['an answer of Loki', streams(loki)],
    ['an answer of Loki, the newest value first', streams(loki.toReversed())],
    ['entries of Cloud Logging', entries],
    ['entries of Cloud Logging, the newest first', entries.toReversed()],
    ['an answer of Elasticsearch, the newest document first', documents(entries.toReversed())],
  ])('%s: the report is read with its time and host', async (_, value) => {
    const text = JSON.stringify(value);
    expect(text.length).toBeGreaterThan(2 ** 19);
    const file = await read(save(text));
    for (const { reports, warnings } of [file, explain(text, 7001), readText(text, 'log')]) {
      expect(warnings).toEqual([]);
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatchObject({
        node: 'web-1',
        time_source: 'log',
        tasks: plain.reports[0]?.tasks,
        victim: plain.reports[0]?.victim,
      });
    }
    expect(file.reports[0]?.time.slice(0, 13)).toBe(iso(begin).slice(0, 13));
  });

  it('says where an answer ends in the middle, and reads the part before that', async () => {
    const text = JSON.stringify(streams(loki));
    const { reports, warnings } = await read(save(text.slice(0, -1000)));
    expect(reports).toHaveLength(1);
    expect(warnings).toEqual([
      expect.stringMatching(
        /: the long line of JSON at byte 0 ends in the middle; only the records before that place were read$/,
      ),
    ]);
  });

  it.each(['[', '{"a":', '{"a":[{"b":'])('does not grow or hang with %s repeated 300,000 times', (part) => {
    const { reports, warnings } = explain(part.repeat(300_000));
    expect(reports).toEqual([]);
    expect(warnings.length).toBeLessThanOrEqual(1);
  });
});

describe('a log that has its newest line first', () => {
  const written: Record<string, string[]> = {
    'Cloud Logging, one entry on a line': entries.map((one) => JSON.stringify(one)),
    'logcli -o jsonl': long.map(({ text, timeUs }) =>
      JSON.stringify({ labels: { host: 'web-1' }, line: text, timestamp: iso(timeUs) }),
    ),
    'journalctl -r': long.map(({ text, timeUs }) => `${iso(timeUs)} web-1 kernel: ${text}`),
  };
  it.each(Object.keys(written))('%s: the same report comes out', async (form) => {
    const newest = (written[form] ?? []).toReversed();
    const file = await read(save(newest.join('\n')));
    const few = newest.slice(11_990, -11_990).join('\n');
    for (const { reports } of [file, explain(few, 4099), readText(few, 'log')]) {
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatchObject({
        node: 'web-1',
        tasks: plain.reports[0]?.tasks,
        victim: plain.reports[0]?.victim,
        warnings: [],
      });
    }
  });

  it('does not turn a list of incidents round whose reports are in the order of the kernel', () => {
    const incident = (hour: string) => lines.map(({ text }) => `Jan  7 ${hour}:04:05 web-1 kernel: ${text}`).join('\n');
    const { reports } = explain([incident('09'), incident('05'), incident('03')].join('\n'));
    expect(reports.map(({ tasks }) => tasks.length)).toEqual(Array(3).fill(plain.reports[0]?.tasks.length));
  });
});
