/** The list of all fields of a report: each with its value, in the kernel's own figures, and its meaning. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectureOf, distributionOf } from '../../src/explain/glossary/release.ts';
import { COLUMNS } from '../../src/explain/glossary/tasks.ts';
import { fieldsOf } from '../../src/explain/render/fields.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { explain, fixture, fixtures } from './corpus.ts';
import { PUBLIC, readings } from './public-logs.ts';

const lab = fixtures.map((name) => [name, fixture(name)] as const);
const published = readings.map(({ file }) => [file, readFileSync(join(PUBLIC, file), 'utf8')] as const);
const reportsOf = (log: string): OomReport[] => explain(Buffer.from(log, 'latin1')).reports;
/** Groups whose fields are names of functions, orders, nodes or caches. */
const LISTS = /^(?:Kernel stack|Free blocks|Huge pages|Unreclaimable slab)/;

describe('every field', () => {
  it('of each log of the lab and of the published logs has a meaning', () => {
    const unexplained = new Set<string>();
    let explained = 0;
    for (const [name, log] of [...lab, ...published]) {
      for (const { title, fields } of reportsOf(log).flatMap(fieldsOf)) {
        for (const { name: field, value, meaning } of LISTS.test(title) ? [] : fields) {
          if (meaning === '' || meaning.includes('unknown')) unexplained.add(`${name}: ${title}: ${field} ${value}`);
          else explained++;
        }
      }
    }
    expect([...unexplained]).toEqual([]);
    expect(explained).toBeGreaterThan(10_000);
  });

  it('of Mem-Info that the kernel prints is in the list, under its own name', () => {
    for (const [name, log] of lab) {
      const [report] = reportsOf(log);
      if (!report?.memory) continue;
      const listed = new Set(fieldsOf(report).flatMap(({ fields }) => fields.map((field) => field.name)));
      const info = log.split('\n').filter((line) => /(?:active_anon|free):\d+/.test(line));
      const printed = info.flatMap((line) => [...line.matchAll(/([A-Za-z_]+)(?:\((\w+)\))?:\d+/g)]);
      const names = printed.map(([, field = '', part]) => (part ? `${field}_${part}` : field.toLowerCase()));
      expect(names.length, name).toBeGreaterThan(30);
      const missing = names.filter((field) => !listed.has(field) && field !== 'pages_scanned');
      expect(missing, name).toEqual([]);
    }
  });

  it('shows the figure of the log where the size for people is rounded', () => {
    const [report] = reportsOf(fixture('6.12/v2-global.kmsg'));
    const fields = fieldsOf(report as OomReport).flatMap((group) => group.fields);
    const value = (name: string) => fields.find((field) => field.name === name)?.value;
    expect(value('total-vm')).toBe('503.3 MiB (515372 kB)');
    expect(value('file-rss')).toBe('8 KiB');
    expect(fixture('6.12/v2-global.kmsg')).toContain('total-vm:515372kB');
  });

  it('has a column for every figure of a task', () => {
    const [report] = reportsOf(fixture('6.12/v2-global.kmsg'));
    const [task] = report?.tasks ?? [];
    // Only kernels before 3.6 print the CPU.
    expect([...Object.keys(task ?? {}), 'cpu'].sort()).toEqual(COLUMNS.map(({ field }) => field).sort());
  });

  it.each([
    ['Tainted: G        W  OE    ', 'GWOE'],
    ['Not tainted ', ''],
    ['Tainted: P           O    ', 'PO'],
    ['Tainted: G    B          ------------ T ', 'GBT'],
  ])('has the taint flags of "%s"', (words, letters) => {
    const [report] = explain(
      [
        '[ 1.0] app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
        `[ 1.0] CPU: 0 PID: 8 Comm: app ${words}6.1.0 #1`,
        '[ 1.0] Hardware name: Some Maker Model 7/Board, BIOS 1.2 01/02/2023',
        '[ 1.0] Out of memory: Killed process 7 (big) total-vm:8kB, anon-rss:4kB, file-rss:0kB',
      ].join('\n'),
    ).reports;
    expect(report).toMatchObject({
      taints: letters,
      hardware: 'Some Maker Model 7/Board, BIOS 1.2 01/02/2023',
      kernel: '6.1.0',
    });
  });

  it.each([
    ['3.10.0-1160.el7.x86_64', 'Red Hat Enterprise Linux 7, or a rebuild of it', 'x86_64'],
    ['5.4.17-2136.el7uek.aarch64', 'Oracle Linux (UEK)', 'aarch64'],
    ['6.12.107+deb13-cloud-amd64', 'Debian', 'amd64'],
    ['5.15.0-1031-aws', 'Ubuntu', undefined],
    ['6.1.102-111.amzn2023.x86_64', 'Amazon Linux 2023', 'x86_64'],
    ['6.8.12-4-pve', 'Proxmox VE', undefined],
    ['5.17.0-rc4', undefined, undefined],
  ])('guesses from the release %s no more than it says', (release, distribution, architecture) => {
    expect([distributionOf(release), architectureOf(release)]).toEqual([distribution, architecture]);
  });
});
