import { describe, expect, it, test } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { type Importable, importConfig } from '../../../src/config/import/import.ts';
import { timeSpan } from '../../../src/config/import/systemd-syntax.ts';
import { writeGuard } from '../../../src/config/write.ts';

const machine = { memory: 8_000_000, swap: 2_000_000 };

/** Converts files, given as path and text, and reads the result again as `config check` does. */
async function convert(from: Importable, ...files: [path: string, text: string][]) {
  const imported = importConfig(
    from,
    files.map(([path, text]) => ({ path, text })),
    machine,
  );
  const { guard } = await parseConfig(writeGuard(imported.guard), 'oomscope.toml');
  expect(guard?.policy.rules.map(({ name }) => name)).toEqual(imported.guard.policy.rules.map(({ name }) => name));
  return { ...imported, rules: imported.guard.policy.rules };
}
const whenOf = (rules: readonly { when: readonly { text: string }[] }[]) =>
  rules.map(({ when }) => when.map(({ text }) => text));

describe('earlyoom', () => {
  const earlyoom = (text: string) => convert('earlyoom', ['/etc/default/earlyoom', text]);

  it("converts Debian's example, which is quoted twice", async () => {
    const text = `# Default settings for earlyoom\nEARLYOOM_ARGS="-r 60 -m 5,2 --avoid '(^|/)(init|X|sshd|firefox)$' -N /bin/hook -n"\n`;
    const { guard, notes, rules } = await earlyoom(text);
    expect(whenOf(rules)).toEqual([['available <= 5 %', 'swap_free <= 10 %']]);
    expect(rules[0]?.steps[1]?.atOnce.map((one) => one.text)).toEqual(['available <= 2 %', 'swap_free <= 5 %']);
    expect(rules[0]?.preferences).toMatchObject([
      { points: -300, match: { text: 'comm (^|/)(init|X|sshd|firefox)$' } },
    ]);
    expect(guard.mode).toBe('dry_run');
    expect(notes.join()).toContain('-N /bin/hook');
  });

  it.each([
    ['a value continued by a backslash', 'EARLYOOM_ARGS="-m 6 \\\n-s 20"\n', []],
    ['a value continued inside quotes', "EARLYOOM_ARGS='-m 6\n-s 20'\n", []],
    ['two assignments, of which the last counts', 'EARLYOOM_ARGS="-m 50"\nEARLYOOM_ARGS="-m 6 -s 20"\n', ['line 1: ']],
    ['line breaks of Windows', 'EARLYOOM_ARGS="-m 6 -s 20"\r\n', []],
    ['export', 'export EARLYOOM_ARGS="-m 6 -s 20"\n', []],
    ['a value without quotes', 'EARLYOOM_ARGS=-m\\ 6\\ -s\\ 20 # why\n', []],
    ['another variable', 'FOO=1\nEARLYOOM_ARGS="-m 6 -s 20"\n', ['line 1: FOO=']],
    ['an unknown line', 'EARLYOOM_ARGS="-m 6 -s 20"\nset -e\n', ['line 2: set -e']],
  ])('reads %s', async (_, text, said) => {
    const { rules, notes } = await earlyoom(text);
    expect(whenOf(rules)).toEqual([['available <= 6 %', 'swap_free <= 20 %']]);
    expect(notes.map((note, i) => note.slice(0, said[i]?.length))).toEqual(said);
  });

  it.each(['# -m 50\n', '', 'EARLYOOM_ARGS=\n'])("converts earlyoom's defaults from %j", async (text) => {
    expect(whenOf((await earlyoom(text)).rules)).toEqual([['available <= 10 %', 'swap_free <= 10 %']]);
  });

  it('converts the KiB of --sort-by-rss --avoid into whole points', async () => {
    const { rules, notes } = await earlyoom('EARLYOOM_ARGS="--sort-by-rss --avoid a"');
    expect(rules[0]?.preferences).toMatchObject([{ points: -315 }]); // 3 GiB of 10,000,000 KiB
    expect(notes.join()).toContain('315 points on this machine');
  });

  it('refuses what earlyoom refuses', async () => {
    await expect(earlyoom('EARLYOOM_ARGS="-m 0"')).rejects.toThrow('both SIGTERM and SIGKILL values are zero');
    await expect(earlyoom('[OOM]')).rejects.toThrow('EARLYOOM_ARGS');
  });
});

describe('systemd-oomd', () => {
  const CONF = '/etc/systemd/oomd.conf';
  const USER = '/etc/systemd/system/user@.service.d/10-oomd.conf';
  const system = (...files: [string, string][]) => convert('systemd-oomd', ...files);

  it('converts oomd.conf: without unit files, for the units that its packages set up', async () => {
    const text = '[OOM]\n#SwapUsedLimit=70%\nSwapUsedLimit=80%\nDefaultMemoryPressureDurationSec=1min 20s\n';
    const { rules, notes } = await system([CONF, text]);
    expect(whenOf(rules)).toEqual([['usage > 80 %', 'swap_free < 20 %'], ['pressure.full.avg10 > 50 % for 80s']]);
    expect(rules.map(({ unit }) => unit)).toEqual(['cgroup', 'cgroup']);
    expect(rules[0]?.minPoints).toBe(10); // 5 % of the swap
    expect(rules[1]?.on[3]).toEqual({ kind: 'cgroup', glob: '/user.slice/user-????.slice/user@????.service' });
    expect(notes.join()).toContain('no unit file was given');
  });

  it.each(['', '[OOM]\n#SwapUsedLimit=50%\n'])("converts systemd-oomd's defaults from %j", async (text) => {
    const { rules } = await system([CONF, text]);
    expect(whenOf(rules)).toEqual([['usage > 90 %', 'swap_free < 10 %'], ['pressure.full.avg10 > 50 % for 30s']]);
    expect(rules.flatMap(({ on }) => on).filter((at) => at.kind === 'cgroup' && at.glob.includes('*'))).toEqual([]);
  });

  it('says that a limit of oomd.conf does not concern a unit with its own', async () => {
    const { notes } = await system([CONF, '[OOM]\nDefaultMemoryPressureLimit=55.5%\n']);
    expect(notes.join('\n')).toContain('oomd.conf:2: DefaultMemoryPressureLimit=55.5%: every unit');
  });

  it('reads the units that are watched, later files over earlier ones', async () => {
    const { rules } = await system(
      [CONF, '[OOM]\nDefaultMemoryPressureLimit=605‰\nDefaultMemoryPressureDurationSec=0\n'],
      [USER, '[Service]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=50%\n'],
      [
        USER.replace('10-', '99-'),
        '[Service]\nManagedOOMMemoryPressureLimit=\nManagedOOMMemoryPressureDurationSec=2min\n',
      ],
      ['/etc/systemd/system/a-b.slice', '[Unit]\nDescription=x\n[Slice]\nManagedOOMSwap=kill\n'],
    );
    expect(whenOf(rules)).toEqual([
      ['pressure.full.avg10 > 60.5 % for 2m'],
      ['system.usage > 90 %', 'system.swap_free < 10 %'],
    ]);
    expect(rules[1]?.on).toEqual([{ kind: 'cgroup', glob: '/a.slice/a-b.slice' }]);
  });

  it('has no rule for a limit of 100 %, which is never exceeded', async () => {
    const { rules, notes } = await system([CONF, '[OOM]\nSwapUsedLimit=100%\n']);
    expect(whenOf(rules)).toEqual([['pressure.full.avg10 > 50 % for 30s']]);
    expect(notes.join()).toContain('SwapUsedLimit=100% is never exceeded');
  });

  it('converts a ruleset for the units that name it', async () => {
    const rule = '[Rule]\nMemoryPressureAbove=10%\nSwapUsageMax=80%\nAction=kill-by-swap\nLastingSec=2s\n';
    const path = '/etc/systemd/oomd/rules.d/10-zram.oomrule';
    const slice: [string, string] = ['/etc/systemd/user/app.slice.d/x.conf', '[Slice]\nOOMRules=10-zram other\n'];
    const { rules } = await system([path, rule], slice);
    expect(whenOf(rules)).toEqual([['pressure.full.avg10 > 10 % for 2s', 'system.swap_free < 20 % for 2s']]);
    expect(rules[0]?.on[3]).toMatchObject({ glob: '/user.slice/user-????.slice/user@????.service/app.slice' });
    expect(rules[0]?.rank).toBe('swap');
    await expect(system([path, rule])).rejects.toThrow('no unit file with OOMRules=10-zram was given');
  });

  it('names the line of what cannot be converted', async () => {
    const text = '[OOM]\nPrekillHookTimeoutSec=5s\nFoo=1\nSwapUsedLimit=80% # why\nnonsense\n';
    const { notes } = await system([CONF, text]);
    expect(notes.map((note) => note.split(': ')[0]).filter((place) => place?.startsWith('oomd.conf'))).toEqual([
      'oomd.conf:5',
      'oomd.conf:2',
      'oomd.conf:3',
      'oomd.conf:4',
    ]);
  });

  it('joins lines that end with a backslash, and reads names of systemd 247', async () => {
    const { rules } = await system([CONF, '[OOM]\r\nSwapUsedLimitPercent=\\\r\n# a comment\r\n75%\r\n']);
    expect(whenOf(rules)[0]).toEqual(['usage > 75 %', 'swap_free < 25 %']);
  });

  it('refuses a file without its sections', async () => {
    await expect(system([CONF, 'a = 1'])).rejects.toThrow('a section [OOM]');
  });
});

it.each([
  ['20', 20_000],
  ['2min', 120_000],
  ['1min 30s', 90_000],
  ['1h2m3s', 3_723_000],
  ['500ms', 500],
  ['1.5 s', 1500],
  ['infinity', Number.POSITIVE_INFINITY],
  ['2 apples', undefined],
  ['', undefined],
  ['s', undefined],
])('reads the time span %j', (text, ms) => {
  expect(timeSpan(text)).toBe(ms);
});

describe('nohang', () => {
  const nohang = (text: string) => convert('nohang', ['/etc/nohang/nohang.conf', text]);

  test('converts nohang.conf', async () => {
    const { rules, notes } = await nohang(`
soft_threshold_min_mem  = 8 %
hard_threshold_min_mem = 4 %
soft_threshold_min_swap = 512 M
psi_checking_enabled = True
psi_metrics = some_avg10
ignore_positive_oom_score_adj = True
min_badness = 10
@BADNESS_ADJ_RE_NAME -500 /// ^(sway|kwin_x11)$
@BADNESS_ADJ_RE_CMDLINE 300 /// -childID|--type=renderer
@BADNESS_ADJ_RE_CGROUP_V2 100 /// /foo\\.service$
@BADNESS_ADJ_RE_CWD 20 /// ^/home/
@BADNESS_ADJ_RE_ENVIRON -30 /// ^USER=root$
@BADNESS_ADJ_RE_UID 50 /// ^(0|1000)$
@BADNESS_ADJ_RE_CGROUP_V1 -50 /// ^/system\\.slice/
@BADNESS_ADJ_RE_NAME 5000 /// ^stress$
@SOFT_ACTION_RE_NAME ^foo$ /// kill -SEGV $PID
`);
    const [memory, pressure] = rules;
    expect(memory?.when.map((one) => one.text)).toEqual(['available <= 8 %', 'swap_free <= 512M']);
    expect(memory).toMatchObject({ ignorePositiveAdj: true, minPoints: 10, minBytes: 0 });
    expect(memory?.preferences.map(({ points, match }) => [points, match.text])).toEqual([
      [300, 'cmdline -childID|--type=renderer'],
      [100, 'cgroup */foo.service'],
      [20, 'cwd ^/home/'],
      [50, 'uid 0'],
      [50, 'uid 1000'],
      [2000, 'comm ^stress$'],
      [-500, 'comm ^(sway|kwin_x11)$'],
      [-30, 'environ ^USER=root$'],
    ]);
    expect(pressure?.when.map((one) => one.text)).toEqual(['pressure.some.avg10 >= 40 % for 30s', 'available <= 8 %']);
    expect(notes.map((note) => note.split(':')[0])).toEqual(['line 15', 'line 16', 'line 17']);
  });

  it('watches the cgroup of psi_path', async () => {
    const { rules } = await nohang(
      'psi_checking_enabled = True\npsi_path = /sys/fs/cgroup/user.slice/memory.pressure\npsi_excess_duration = 5\n',
    );
    expect(rules[1]?.on).toEqual([{ kind: 'cgroup', glob: '/user.slice' }]);
    expect(whenOf(rules)[1]).toEqual(['pressure.full.avg10 >= 40 % for 5s', 'system.available <= 5 %']);
  });

  it('watches zram', async () => {
    const { rules } = await nohang('zram_checking_enabled = True\nsoft_threshold_max_zram = 50 %\n');
    expect(whenOf(rules)[1]).toEqual(['zram >= 50 %', 'available <= 5 %']);
    expect(rules[1]?.steps[1]?.atOnce.map(({ text }) => text)).toEqual(['zram >= 60 %', 'available <= 2 %']);
  });

  it('warns as nohang does', async () => {
    const { rules } = await nohang('low_memory_warnings_enabled = True\nwarning_exe = /bin/warn "a b"\n');
    expect(rules[1]?.steps).toMatchObject([{ do: 'notify' }, { do: 'exec', command: ['/bin/warn', 'a b'] }]);
    expect(whenOf(rules)[1]).toEqual(['available <= 20 %', 'swap_free <= 25 %']);
  });

  it('reads names of earlier versions, and names each line that it cannot convert', async () => {
    const { rules, notes } = await nohang(
      'mem_min_sigterm = 9 %\npost_kill_exe = /bin/hook\nfill_rate_mem = 9\nfoo = 1\nmax_sleep = 3\n',
    );
    expect(whenOf(rules)[0]).toEqual(['available <= 9 %', 'swap_free <= 10 %']);
    expect(notes.map((note) => note.slice(0, 12))).toEqual([
      'line 2: post',
      'line 3: fill',
      'line 4: foo ',
      'settings of ',
    ]);
  });

  it("converts nohang's defaults from a file of comments", async () => {
    expect(whenOf((await nohang('## nothing\n')).rules)).toEqual([['available <= 5 %', 'swap_free <= 10 %']]);
  });
});
