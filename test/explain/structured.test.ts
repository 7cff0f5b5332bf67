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
  'documents of Elasticsearch': hits.map((one) => JSON.stringify(one)).join('\n'),
};

describe.each(Object.entries(forms))('%s', (_, log) => {
  it('has the same report as the plain log, with time and host', () => {
    const { reports, warnings } = readText(log, 'test');
    expect(warnings).toEqual([]);
    expect(reports).toHaveLength(1);
    const [report] = reports;
    expect(report).toMatchObject({ node: 'web-1', time_source: 'log' });
    expect(Date.parse(report?.time ?? '')).toBe(Date.parse(iso(begin)));
    const { trigger, victim, limit, tasks, memory, outcome } = plain.reports[0] as (typeof plain.reports)[0];
    expect(report).toMatchObject({ trigger, victim, limit, tasks, memory, outcome });
  });
});
