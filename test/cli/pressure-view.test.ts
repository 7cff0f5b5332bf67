import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PressureView, renderPressure, type SortKey, sortKeys } from '../../src/cli/verbs/pressure/view.ts';
import { noOwner } from '../../src/model/container.ts';
import type { PressureLevelName } from '../../src/model/pressure.ts';
import type { MemoryRow } from '../../src/pressure/memory-rows.ts';
import { coloured, plain } from '../../src/render/paint.ts';
import { columnsOf } from '../../src/render/width.ts';

const MIB = 2 ** 20;

function row(path: string, more: Partial<MemoryRow> = {}): MemoryRow {
  return {
    subject: { scope: path === '/' ? 'system' : 'cgroup', path, id: null, ...noOwner },
    ...{ level: 'normal', some: 0, full: 0, usedBytes: 10 * MIB, limitBytes: 100 * MIB, availableBytes: 90 * MIB },
    growth: null,
    ...more,
  };
}

function view(rows: MemoryRow[], more: Partial<PressureView> = {}): PressureView {
  return {
    ...{ node: 'host', source: 'BPF', rows, swap: { totalBytes: 0, freeBytes: 0 }, events: [], sort: 'p', offset: 0 },
    now: new Date(2026, 10, 22, 17, 0, 5),
    ...more,
  };
}

const growing = (speed: number, left: number) => ({
  bytes_per_second: speed,
  uncertainty_bytes_per_second: speed / 10,
  exhausted_in_seconds: left / speed,
  exhausted_in_seconds_range: null,
});

const shop = [
  row('/', {
    usedBytes: 2048 * MIB,
    limitBytes: 24064 * MIB,
    availableBytes: 22016 * MIB,
    some: 0.21,
    full: 0.11,
    level: 'low',
  }),
  row('/shop/web', { usedBytes: 24 * MIB, limitBytes: 128 * MIB, growth: growing(2 * MIB, 104 * MIB) }),
  row('/batch', { some: 0.42, full: 0.42, level: 'critical', usedBytes: 81 * MIB, limitBytes: 96 * MIB }),
  row('/idle', { limitBytes: null, usedBytes: 0 }),
];

test('draws the view in 80 × 24', () => {
  const events = [
    { time: '2026-11-22T17:00:04.000000000Z', severity: 'critical' as const, message: 'Something is\nwrong.' },
  ];
  expect(renderPressure(view(shop, { events }), 80, 14, plain)).toEqual([
    'oomscope pressure  host                                            BPF  17:00:05',
    'pressure  some ██▌·········  21 %  full █▍··········  11 %  low                 ',
    'memory    used █···········   9 %  2 GiB of 23.5 GiB, 21.5 GiB available        ',
    '',
    'CGROUP           SOME       FULL            USED     LIMIT       GROWTH  FULL IN',
    '/batch           █▋··  42 % █▋··  42 %    81 MiB    96 MiB                      ',
    '/shop/web        ····   0 % ····   0 %    24 MiB   128 MiB     +2 MiB/s     52 s',
    '/idle            ····   0 % ····   0 %       0 B         -                      ',
    'events                                                                          ',
    '17:00:04Z Something is\\x0awrong.                                                ',
    ...['', '', ''],
    'q quit  sort [p] pressure  u usage  g growth  l time left  n name  ↑↓ scroll    ',
  ]);
});

test('shows the names of a container and its pod behind the cgroup', () => {
  const container = {
    id: 'f'.repeat(64),
    name: 'web',
    runtime: null,
    image: null,
    compose_project: null,
    compose_service: null,
  };
  const pod = { uid: 'u', name: 'shop-1', namespace: 'shop', qos: null };
  const subject = { scope: 'cgroup' as const, path: '/kubepods/x', id: null, unit: null, container };
  const shown = (rows: MemoryRow[]) => renderPressure(view([row('/'), ...rows]), 120, 10, plain)[5];
  expect(shown([row('/kubepods/x', { subject: { ...subject, pod } })])).toContain('/kubepods/x shop/shop-1/web');
  expect(shown([row('/docker/x', { subject: { ...subject, path: '/docker/x', pod: null } })])).toContain(
    '/docker/x web',
  );
});

test('sorts by the chosen column', () => {
  const order = (sort: SortKey) =>
    renderPressure(view(shop, { sort }), 80, 24, plain)
      .slice(5, 8)
      .map((line) => line.split(' ')[0]);
  expect(order('p')).toEqual(['/batch', '/shop/web', '/idle']);
  expect(order('u')).toEqual(['/batch', '/shop/web', '/idle']);
  expect(order('g')).toEqual(['/shop/web', '/batch', '/idle']);
  expect(order('l')).toEqual(['/shop/web', '/batch', '/idle']);
  expect(order('n')).toEqual(['/batch', '/idle', '/shop/web']);
});

test('scrolls to rows that do not fit', () => {
  const many = [shop[0] as MemoryRow, ...Array.from({ length: 50 }, (_, i) => row(`/g${String(i).padStart(2, '0')}`))];
  const shown = (offset: number) => renderPressure(view(many, { sort: 'n', offset }), 80, 24, plain);
  expect(shown(0)[5]).toMatch(/^\/g00 /);
  expect(shown(0).find((line) => line.includes('events'))).toMatch(/^1 to 11 of 50 cgroups {2}events/);
  expect(shown(7)[5]).toMatch(/^\/g07 /);
  expect(shown(1000)[15]).toMatch(/^\/g49 /);
});

test('fits a terminal of any size with any names', () => {
  const share = fc.option(fc.double({ min: 0, max: 1, noNaN: true }));
  const bytes = fc.double({ min: 0, max: 2 ** 50, noNaN: true }).map(Math.round);
  const rows = fc.array(
    fc.record({
      subject: fc.record({
        scope: fc.constant('cgroup' as const),
        ...{ unit: fc.constant(null), pod: fc.constant(null), container: fc.constant(null) },
        path: fc.string({ unit: 'binary' }),
        id: fc.constant(null),
      }),
      level: fc.constantFrom<PressureLevelName>('normal', 'low', 'medium', 'critical'),
      some: share,
      full: share,
      usedBytes: bytes,
      limitBytes: fc.option(bytes),
      availableBytes: bytes,
      growth: fc.option(
        fc.tuple(fc.double({ min: -1e12, max: 1e12, noNaN: true }), bytes).map(([speed, left]) => growing(speed, left)),
      ),
    }),
    { maxLength: 40 },
  );
  const sort = fc.constantFrom(...(Object.keys(sortKeys) as SortKey[]));
  const events = fc.array(
    fc.record({
      time: fc.constant('2026-11-22T17:00:04.000000000Z'),
      severity: fc.constantFrom('info' as const, 'critical' as const),
      message: fc.string({ unit: 'binary' }),
    }),
  );
  const size = fc.tuple(fc.integer({ min: 20, max: 250 }), fc.integer({ min: 5, max: 70 }));
  fc.assert(
    fc.property(rows, sort, events, size, fc.nat(100), (all, by, said, [columns, lines], offset) => {
      const drawn = renderPressure(view(all, { sort: by, events: said, offset }), columns, lines, plain);
      expect(drawn.length).toBeLessThanOrEqual(lines);
      for (const line of drawn) {
        expect(columnsOf(line)).toBeLessThanOrEqual(columns);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: none must be left
        expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      }
    }),
  );
});

test('shortens the path of a cgroup in an event to its end', () => {
  const subject = { scope: 'cgroup' as const, path: '/a/long/way/to/web', id: null, ...noOwner };
  const event = {
    time: '2026-11-22T17:00:04.000000000Z',
    severity: 'info' as const,
    message: `${subject.path} is full.`,
    subject,
  };
  const lines = renderPressure(view(shop, { events: [event] }), 80, 24, plain);
  expect(lines.some((line) => line.startsWith('17:00:04Z …/web is full.'))).toBe(true);
});

test('colours rows by level, and writes no colours if they are off', () => {
  const lines = renderPressure(view(shop), 80, 24, coloured);
  expect(lines.find((line) => line.includes('/batch'))).toContain('\x1b[31m');
  expect(lines.find((line) => line.includes('/idle'))).not.toContain('\x1b[3');
});
