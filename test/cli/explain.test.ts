/** Runs `oomscope explain` as a user does: on files and pipes, with wrong input, and checks the exit codes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { CORPUS, forms, linesOf } from '../explain/corpus.ts';
import { schemaErrors } from '../schema.ts';
import { ended, MAIN, oomscope } from './cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-explain-'));
const file = (name: string, content: string | Buffer) => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};
const MEMCG = join(CORPUS, '6.12/v2-memcg.kmsg');
const GLOBAL = join(CORPUS, '6.12/v2-global.kmsg');
const STORM = join(CORPUS, '6.12/v2-storm.kmsg');
const events = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function piped(input: string, args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'explain', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return ended(child);
}

describe('oomscope explain', () => {
  it('explains a report', async () => {
    const { code, stdout, stderr } = await oomscope(['explain', MEMCG]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/KILLED cache-builder \(pid \d+, uid 0\)/);
    expect(stdout).toMatch(/why +The cgroup \/shop reached its limit of 24 MiB/);
    expect(stdout).toMatch(/the limit {2}\[a+s+f+/);
    expect(stdout).toMatch(/held by .*cache-builder \(pid \d+\) {2}killed/);
    expect(stdout).not.toContain('\x1b');
  });

  it('writes valid JSON Lines, and the patterns in the last line', async () => {
    const { code, stdout } = await oomscope(['explain', '--json', MEMCG, GLOBAL]);
    expect(code).toBe(0);
    const lines = events(stdout);
    expect(lines.map(({ type, seq }) => [type, seq])).toEqual([
      ['oom.report', 0],
      ['oom.report', 1],
      ['oom.patterns', 2],
    ]);
    for (const line of lines) expect(schemaErrors(line)).toEqual([]);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(3);
  });

  it('reads standard input, gzip and zstd, and finds the same reports', async () => {
    const dmesg = linesOf(readFileSync(MEMCG, 'latin1'))
      .map((line) => `${forms.syslog?.(line)}\n`)
      .join('');
    const plain = file('kern.log', dmesg);
    const runs = await Promise.all([
      piped(dmesg, ['--json']),
      piped(dmesg, ['--json', '-']),
      ...[plain, file('kern.log.gz', gzipSync(dmesg)), file('kern.log.zst', zstdCompressSync(dmesg))].map((path) =>
        oomscope(['explain', '--json', path]),
      ),
    ]);
    const found = runs.map(({ stdout }) =>
      events(stdout)
        .map(({ id, victim, verdict }) => ({ id: victim && id, victim, verdict }))
        .slice(0, 1),
    );
    for (const one of found) expect(one).toEqual(found[0]);
  });

  it('shows only the last of many reports, all of them with --all, and the newest ones with --last', async () => {
    const count = (stdout: string) => stdout.match(/KILLED/g)?.length;
    const [few, all, some] = await Promise.all(
      [
        ['explain', STORM],
        ['explain', '--all', STORM],
        ['explain', '--last', '2', STORM],
      ].map((args) => oomscope(args)),
    );
    const kills = readFileSync(STORM, 'latin1').match(/Killed process/g)?.length;
    expect(few?.stdout.split('\n')[0]).toBe(`${kills} reports, ${kills} kills`);
    expect([few, all, some].map((run) => count(run?.stdout ?? ''))).toEqual([1, kills, 2]);
  });

  it('applies --since to reports with a real time, and says how many reports have none', async () => {
    const kill = (date: string) =>
      `${date} n1 kernel: Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0\n`;
    const log = `${kill('2026-11-20T10:00:00Z')}${kill('2026-11-21T10:00:00Z')}`;
    const { stdout } = await piped(log, ['--json', '--since', '2026-11-21']);
    expect(events(stdout).map(({ time }) => time.slice(0, 10))[0]).toBe('2026-11-21');
    expect(events(stdout)).toHaveLength(2);
    const { stderr } = await oomscope(['explain', '--since', '1h', MEMCG]);
    expect(stderr).toMatch(/1 reports have only a time since boot/);
  });

  it.each([
    ['an empty file', () => file('empty', ''), 1, /No OOM report in/],
    ['a log without any', () => file('quiet.log', 'Nov 22 10:00:00 n1 sshd[1]: hello\n'), 1, /No OOM report in/],
    ['a binary', () => process.execPath, 65, /expected a kernel log as text, got binary data/],
    ['xz', () => file('a.xz', Buffer.from('fd377a585a000000', 'hex')), 65, /xzcat/],
    ['no file', () => join(directory, 'missing'), 66, /there is no such file/],
    ['a directory', () => directory, 66, /got a directory/],
  ])('says what is wrong with the input: %s', async (_, path, exit, message) => {
    const { code, stdout, stderr } = await oomscope(['explain', path()]);
    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it.each([
    [['--json', '--html'], /Expected one of --json, --markdown, --html, got --json and --html/],
    [['--since', 'yesterday'], /--since: expected a time such as/],
    [['--last', '0'], /--last: expected a whole number/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await oomscope(['explain', ...args, MEMCG]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('says with --why why another process was not chosen, with the computed scores', async () => {
    const { code, stdout } = await oomscope(['explain', '--why', '220', join(CORPUS, '6.12/v2-trigger.kmsg')]);
    expect(code).toBe(0);
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toMatch(
      /sleeper \(pid 219\): (\d+) pages resident \+ 0 in swap \+ (\d+) of page tables = 4964 points\./,
    );
    const [, own, other, more] =
      /= (\d+) points\. asker .*? = (\d+) points\. The victim had (\d+) points more/.exec(words) ?? [];
    expect(Number(own) - Number(other)).toBe(Number(more));
    expect((await oomscope(['explain', '--why', '220', '--html', MEMCG])).code).toBe(2);
    expect((await oomscope(['explain', '--why', '999999', MEMCG])).stdout).toContain('has no process 999999');
  });

  it('writes with --why and --json a comparison after each report, whose terms add up to the points', async () => {
    const log = join(CORPUS, '6.12/v2-global.kmsg');
    const compared = async (pid: number) =>
      events((await oomscope(['explain', '--json', '--why', `${pid}`, log])).stdout);
    const [report, comparison, patterns] = await compared(268);
    expect([report.type, comparison.type, patterns.type]).toEqual(['oom.report', 'oom.comparison', 'oom.patterns']);
    expect(schemaErrors(comparison)).toEqual([]);
    expect(comparison).toMatchObject({ report_id: report.id, pid: 268, result: 'victim_had_more' });
    const { victim, other, difference_points } = comparison;
    expect([victim.comm, other.comm]).toEqual(['taker', 'holder-6']);
    for (const one of [victim, other]) {
      const { rss_pages, swap_pages, page_tables_pages, adj_pages, root_pages, raised_pages, points } = one;
      expect(rss_pages + swap_pages + page_tables_pages + adj_pages + root_pages + raised_pages).toBe(points);
      expect(one.oom_score_adj * one.adj_step_pages).toBe(adj_pages);
    }
    expect(victim.points - other.points).toBe(difference_points);
    expect(victim.points).toBe(report.badness_pages);
    expect(comparison.message).toContain(`The victim had ${difference_points} points more`);
    expect((await compared(270))[1]).toMatchObject({ result: 'is_victim', difference_points: 0 });
    expect((await compared(207))[1]).toMatchObject({
      result: 'never_chosen',
      other: { points: null, spared: 'oom_score_adj' },
    });
    expect((await compared(9))[1]).toMatchObject({ result: 'no_process', other: null, difference_points: null });
  });

  it('lists with --fields every field with its value and its meaning', async () => {
    const { stdout } = await oomscope(['explain', '--fields', join(CORPUS, '6.12/v2-global.kmsg')]);
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain('flag: GFP_HIGHUSER_MOVABLE a page for user space that the kernel can move later');
    expect(words).toContain('taint: W the kernel printed a warning before');
    expect(words).toContain('hardware: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2');
    expect(words).toContain('constraint: CONSTRAINT_NONE the machine ran out of memory');
    expect(words).toContain('order 10, 4 MiB: 1 free M movable');
  });

  it('uses --tz and --year for time stamps without a zone or a year', async () => {
    const kill = 'Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB, file-rss:0kB\n';
    const at = async (args: string[]) =>
      events((await piped(`Jan  7 03:04:05 n1 kernel: ${kill}`, ['--json', ...args])).stdout)[0].time;
    expect(await at(['--year', '2024'])).toBe('2024-01-07T03:04:05.000000000Z');
    expect(await at(['--year', '2024', '--tz', '+02:00'])).toBe('2024-01-07T01:04:05.000000000Z');
    expect(await at(['--year', '2024', '--tz', 'America/New_York'])).toBe('2024-01-07T08:04:05.000000000Z');
    expect((await piped(kill, ['--tz', 'Nowhere/Land'])).code).toBe(2);
  });

  it('counts a kill that is in two files once, and quotes what other programs say about their kills', async () => {
    const kill =
      '2026-11-20T10:00:00Z n1 kernel: Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB, file-rss:0kB\n';
    const other =
      '2026-11-20T10:00:01Z n1 systemd-oomd[9]: Killed /a.slice/b.scope due to memory pressure for /a.slice being 78.56% > 50.00% for > 20s\n';
    const [one, two] = [file('kern.log', kill), file('syslog', kill + other)];
    const { stdout, stderr } = await oomscope(['explain', '--json', one, two]);
    expect(events(stdout).map(({ type }) => type)).toEqual(['oom.report', 'oom.other_kill', 'oom.patterns']);
    for (const event of events(stdout)) expect(schemaErrors(event)).toEqual([]);
    expect(events(stdout)[1]).toMatchObject({
      time: '2026-11-20T10:00:01.000000000Z',
      node: 'n1',
      program: 'systemd-oomd',
      role: 'killed',
      cgroup: '/a.slice/b.scope',
      unit: 'b.scope',
      input: two,
      offset: kill.length,
    });
    expect(events(stdout)[2]).toMatchObject({ other_kills: 1, by_program: [{ name: 'systemd-oomd', count: 1 }] });
    expect(stderr).toContain('1 reports in the input are copies of others');
    const text = await oomscope(['explain', two]);
    const line = text.stdout.split('\n').filter((row) => row.includes('2026-11-20 10:00:0'));
    expect(line[0]).toMatch(/2026-11-20 10:00:00Z n1 kernel: a \(pid 7\)/);
    expect(line[1]).toMatch(/2026-11-20 10:00:01Z n1 systemd-oomd: Killed \/a.slice\/b.scope due to memory pressure/);
  });

  it('reads the good files, and reports the bad one', async () => {
    const { code, stdout, stderr } = await oomscope(['explain', '--json', MEMCG, join(directory, 'missing')]);
    expect(code).toBe(66);
    expect(events(stdout)).toHaveLength(2);
    expect(stderr).toMatch(/missing: .*no such file/);
  });

  it('writes an HTML page and a Markdown ticket', async () => {
    const [page, ticket] = await Promise.all(
      ['--html', '--markdown'].map((form) => oomscope(['explain', form, GLOBAL])),
    );
    expect(page?.stdout.split('\n')[0]).toBe('<!doctype html>');
    expect(page?.stdout.endsWith('</html>\n')).toBe(true);
    expect(/<template id="archive">[\w+/=]{100,}<\/template>/.test(page?.stdout ?? '')).toBe(true);
    expect(ticket?.stdout).toMatch(/^### taker \(pid \d+\) was killed\n/);
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn('sh', ['-c', '"$0" "$1" explain --json "$2" | head -c 100', process.execPath, MAIN, STORM], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = await ended(child);
    expect(stdout).toHaveLength(100);
    expect(stderr).toBe('');
  });

  it('needs a privilege only for /dev/kmsg', async () => {
    const nobody = [
      'setpriv',
      '--reuid=65534',
      '--clear-groups',
      '--bounding-set=-all',
      '--inh-caps=-all',
      process.execPath,
      MAIN,
    ];
    const { code, stderr } = await oomscope(['explain', '--kmsg'], nobody);
    // the exit code is 77 if kernel.dmesg_restrict is set, or if only root may open the device
    expect([1, 77]).toContain(code);
    if (code === 77) expect(stderr).toMatch(/needs CAP_SYSLOG/);
    const own = await piped(readFileSync(MEMCG, 'latin1'), []);
    expect(own.code).toBe(0);
  });
});
