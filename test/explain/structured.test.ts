/** Kernel logs inside the records of other tools: the same report comes out, with the time and the host of its record. */
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/explain/read-text.ts';
import { explain, fixture, linesOf } from './corpus.ts';

const START = Date.UTC(2026, 10, 20, 8);
const lines = linesOf(fixture('6.12/v2-ancestor.kmsg'));
const iso = (us: number) => new Date(START + us / 1000).toISOString();
const realtime = (us: number) => String(START * 1000 + us);
const plain = explain(lines.map(({ text }) => text).join('\n'));
const begin = lines.find(({ text }) => text.includes('invoked oom-killer'))?.timeUs ?? 0;

const journal = lines.map(({ text, timeUs }) => ({
  __CURSOR: 's=1;i=2',
  __REALTIME_TIMESTAMP: realtime(timeUs),
  _BOOT_ID: 'b0b',
  _TRANSPORT: 'kernel',
  _HOSTNAME: 'web-1',
  MESSAGE: text,
}));

function lengthAndText(text: string): string {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  return `${length.toString('latin1')}${text}`;
}

const cloud = lines.map(({ text, timeUs }) => ({
  insertId: 'a1',
  jsonPayload: { message: text, SYSLOG_IDENTIFIER: 'kernel' },
  resource: { type: 'k8s_node', labels: { node_name: 'web-1' } },
  timestamp: iso(timeUs),
}));
const hits = lines.map(({ text, timeUs }) => ({
  _index: 'logs',
  _source: { '@timestamp': iso(timeUs), message: text, host: { name: 'web-1' }, event: { original: text } },
}));
const values = lines.map(({ text, timeUs }) => [`${realtime(timeUs)}000`, text]);
const loki = (list: unknown[]) => ({
  status: 'success',
  data: { result: [{ stream: { host: 'web-1' }, values: list }] },
});

const forms: Record<string, string> = {
  'journalctl -o json-pretty': journal.map((one) => JSON.stringify(one, null, '\t')).join('\n'),
  'journalctl -o export': journal
    .map((one) =>
      Object.entries(one)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    .join('\n'),
  'journalctl -o export with lengths': journal
    .map(({ MESSAGE, ...one }) =>
      [...Object.entries(one).map(([key, value]) => `${key}=${value}`), 'MESSAGE', lengthAndText(MESSAGE), ''].join(
        '\n',
      ),
    )
    .join('\n'),
  'Cloud Logging, one entry per line': cloud.map((one) => JSON.stringify(one)).join('\n'),
  'Cloud Logging, one array over many lines': JSON.stringify(cloud, null, 2),
  'Cloud Logging, the newest entry first': JSON.stringify(cloud.toReversed(), null, 2),
  'an answer of Loki': JSON.stringify(loki(values)),
  'an answer of Loki over many lines, the newest value first': JSON.stringify(loki(values.toReversed()), null, 2),
  'an answer of Elasticsearch': JSON.stringify({ hits: { hits } }, null, 2),
  'logfmt with the time first': lines
    .map(({ text, timeUs }) => `ts=${iso(timeUs)} level=warn host=web-1 msg=${JSON.stringify(text)}`)
    .join('\n'),
  'logfmt with the time in quotation marks and the host last': lines
    .map(({ text, timeUs }) => `level=info time="${iso(timeUs)}" message=${JSON.stringify(text)} hostname=web-1`)
    .join('\n'),
  'events with times as numbers': JSON.stringify({
    events: lines.map(({ text, timeUs }) => ({ timestamp: START + timeUs / 1000, message: text, host: 'web-1' })),
  }),
  'objects of Kubernetes nodes behind the prefix of a container runtime': lines
    .map(
      ({ text, timeUs }) =>
        `${iso(timeUs)} stdout F ${JSON.stringify({ kubernetes: { host: 'web-1' }, entry: { message: text } })}`,
    )
    .join('\n'),
  logcli: lines.map(({ text, timeUs }) => `${iso(timeUs)} {job="node", host="web-1"} ${text}`).join('\n'),
  'logcli -o jsonl': lines
    .map(({ text, timeUs }) => JSON.stringify({ labels: { nodename: 'web-1' }, line: text, timestamp: iso(timeUs) }))
    .join('\n'),
  'an answer of Splunk': lines
    .map(({ text, timeUs }) =>
      JSON.stringify({ preview: false, result: { _raw: text, _time: iso(timeUs), host: 'web-1' } }),
    )
    .join('\n'),
  'rows of Azure Monitor': JSON.stringify(
    lines.map(({ text, timeUs }) => ({ TimeGenerated: iso(timeUs), Computer: 'web-1', SyslogMessage: text })),
  ),
  'documents of Elasticsearch': hits.map((one) => JSON.stringify(one)).join('\n'),
};

const KILLED =
  'Memory cgroup out of memory: Killed process 9 (app) total-vm:100kB, anon-rss:50kB, file-rss:0kB, shmem-rss:0kB';
const HEAD = 'app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0';
const event = {
  kind: 'Event',
  reason: 'OOMKilling',
  message: KILLED,
  firstTimestamp: '2026-01-07T03:04:05Z',
  source: { component: 'kernel-monitor', host: 'web-1' },
};
const pod = {
  kind: 'Pod',
  spec: { nodeName: 'web-1' },
  status: {
    containerStatuses: [
      { lastState: { terminated: { message: `${HEAD}\n${KILLED}\n`, finishedAt: '2026-01-07T03:04:05Z' } } },
    ],
  },
};
const EVENTS_IN_YAML = `apiVersion: v1
items:
- apiVersion: v1
  count: 1
  firstTimestamp: "2026-01-07T03:04:05Z"
  kind: Event
  message: 'Memory cgroup out of memory: Killed process 9 (app) total-vm:100kB, anon-rss:50kB,
    file-rss:0kB, shmem-rss:0kB'
  metadata:
    name: web-1.17
  reason: OOMKilling
  source:
    component: kernel-monitor
    host: web-1
- apiVersion: v1
  firstTimestamp: "2026-02-07T03:04:05Z"
  kind: Event
  message: 'Liveness probe failed: app''s port'
  source:
    host: web-2
kind: List
`;
const POD_IN_YAML = `apiVersion: v1
kind: Pod
spec:
  nodeName: web-1
status:
  containerStatuses:
  - lastState:
      terminated:
        exitCode: 137
        finishedAt: "2026-01-07T03:04:05Z"
        message: |
          ${HEAD}
          ${KILLED}
        reason: OOMKilled
`;

describe('kubectl get -o', () => {
  it.each([
    ['json of one event', JSON.stringify(event, null, 4)],
    [
      'json of a list of events',
      JSON.stringify({ kind: 'List', items: [event, { ...event, message: 'Pulled' }] }, null, 4),
    ],
    ['json of a pod', JSON.stringify(pod, null, 4)],
    ['yaml of events', EVENTS_IN_YAML],
    ['yaml of a pod', POD_IN_YAML],
  ])('%s: the kill has the time and the node of its object', (_, log) => {
    for (const { reports, warnings } of [readText(log, 'test'), explain(log)]) {
      expect(warnings).toEqual([]);
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatchObject({
        time: '2026-01-07T03:04:05.000000000Z',
        time_source: 'log',
        node: 'web-1',
        victim: { pid: 9, comm: 'app', memory: { anon_rss_bytes: 50 * 1024, shmem_rss_bytes: 0 } },
      });
    }
  });
});

describe('journalctl -o export', () => {
  it.each([0, 100])('reads a message with line feeds whose length has %i bytes more', (more) => {
    const message = `${HEAD}\n\n${'x'.repeat(more)}`;
    const log = `__CURSOR=s=1\nMESSAGE\n${lengthAndText(message)}\n_HOSTNAME=web-1\n__REALTIME_TIMESTAMP=1767755045500000\n\n${KILLED}\n`;
    for (const { reports } of [readText(log, 'test'), explain(Buffer.from(log, 'latin1'))]) {
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatchObject({ node: 'web-1', trigger: { comm: 'app', order: 0 }, victim: { pid: 9 } });
    }
  });
});

describe('a record that does not end', () => {
  it.each(['{', '[', '{\n  "a": [', '__CURSOR=s=1', '__CURSOR=s=1\nMESSAGE', 'apiVersion: v1', 'MESSAGE', '{"a": 1,'])(
    '%j: the kernel log after it is read as it is',
    (beginning) => {
      const log = `${beginning}\n${lines.map(({ text, timeUs }) => `[${(timeUs / 1e6).toFixed(6)}] ${text}`).join('\n')}`;
      for (const { reports } of [readText(log, 'test'), explain(log)]) {
        expect(reports).toHaveLength(1);
        expect(reports[0]).toMatchObject({ victim: plain.reports[0]?.victim, tasks: plain.reports[0]?.tasks });
      }
    },
  );
});

describe('the time of a record', () => {
  it.each([
    [{ '@timestamp': '2026-01-07T03:04:05+02:00' }, '2026-01-07T01:04:05.000000000Z', 'log'],
    [{ time: '2026-01-07T03:04:05.25-0330' }, '2026-01-07T06:34:05.250000000Z', 'log'],
    [{ timestamp: '2026-01-07 03:04:05' }, '2026-01-07T03:04:05.000000000Z', 'log_local'],
    [{ ts: 1767755045.5 }, '2026-01-07T03:04:05.500000000Z', 'log'],
    [{ timestamp: 1767755045500 }, '2026-01-07T03:04:05.500000000Z', 'log'],
    [{ __REALTIME_TIMESTAMP: '1767755045500000' }, '2026-01-07T03:04:05.500000000Z', 'log'],
    [{ time: 'yesterday' }, null, 'reading'],
    [{ time: 17 }, null, 'reading'],
  ])('%j', (time, expected, source) => {
    for (const log of [
      { ...time, message: KILLED },
      { ...time, _source: { message: KILLED } },
    ]) {
      const [report] = readText(JSON.stringify(log), 'test').reports;
      expect(report?.time_source).toBe(source);
      if (expected !== null) expect(report?.time).toBe(expected);
    }
  });
});

describe.each(Object.entries(forms))('%s', (_, log) => {
  it('has the same report as the plain log, with time and host', () => {
    for (const { reports, warnings } of [readText(log, 'test'), explain(Buffer.from(log), 1001)]) {
      expect(warnings).toEqual([]);
      expect(reports).toHaveLength(1);
      const [report] = reports;
      expect(report).toMatchObject({ node: 'web-1', time_source: 'log' });
      expect(Date.parse(report?.time ?? '')).toBe(Date.parse(iso(begin)));
      const { trigger, victim, limit, tasks, memory, outcome } = plain.reports[0] as (typeof plain.reports)[0];
      expect(report).toMatchObject({ trigger, victim, limit, tasks, memory, outcome });
    }
  });
});

describe('a log of 512 KiB before the report', () => {
  it.each(['journalctl -o json-pretty', 'journalctl -o export'])('%s: the report is found with its time', (form) => {
    const log = forms[form] ?? '';
    const other = form.endsWith('export')
      ? '__CURSOR=s=1\n_TRANSPORT=syslog\nMESSAGE=nothing\n\n'
      : '{\n\t"_TRANSPORT" : "syslog",\n\t"MESSAGE" : "nothing"\n}\n';
    const { reports } = explain(other.repeat(Math.ceil(2 ** 19 / other.length)) + log, 7001);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ node: 'web-1', time_source: 'log', tasks: plain.reports[0]?.tasks });
  });
});
