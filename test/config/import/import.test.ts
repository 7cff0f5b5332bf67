import { describe, expect, it, test } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { importConfig } from '../../../src/config/import/import.ts';
import { writeGuard } from '../../../src/config/write.ts';

const machine = { memory: 8_000_000, swap: 2_000_000 };

describe('earlyoom', () => {
  it("converts Debian's example, which is quoted twice", async () => {
    const text = `# Default settings for earlyoom\nEARLYOOM_ARGS="-r 60 -m 5,2 --avoid '(^|/)(init|X|sshd|firefox)$' -N /bin/hook -n"\n`;
    const { guard, notes } = importConfig('earlyoom', text, machine);
    const [rule] = guard.policy.rules;
    expect(rule?.when.map((one) => one.text)).toEqual(['available <= 5 %', 'swap_free <= 10 %']);
    expect(rule?.steps[1]?.atOnce.map((one) => one.text)).toEqual(['available <= 2 %', 'swap_free <= 5 %']);
    expect(rule?.preferences).toMatchObject([{ points: -300, match: { text: 'comm (^|/)(init|X|sshd|firefox)$' } }]);
    expect(guard.mode).toBe('dry_run');
    expect(notes.join()).toContain('-N /bin/hook');
    await expect(parseConfig(writeGuard(guard), 'x')).resolves.toBeDefined();
  });
  it('refuses what earlyoom refuses', () => {
    expect(() => importConfig('earlyoom', 'EARLYOOM_ARGS="-m 0"', machine)).toThrow(
      'both SIGTERM and SIGKILL values are zero',
    );
    expect(() => importConfig('earlyoom', '[OOM]', machine)).toThrow('EARLYOOM_ARGS');
  });
});

test('converts oomd.conf of systemd-oomd', async () => {
  const text =
    '[OOM]\n#SwapUsedLimit=90%\nSwapUsedLimit=80%\nDefaultMemoryPressureLimit=55.5%\nDefaultMemoryPressureDurationSec=20\n';
  const { guard } = importConfig('systemd-oomd', text, machine);
  expect(guard.policy.rules.map(({ when }) => when.map((one) => one.text))).toEqual([
    ['usage > 80 %', 'swap_free < 20 %'],
    ['pressure.full.avg10 > 55.5 % for 20s'],
  ]);
  expect(guard.policy.rules.map(({ unit }) => unit)).toEqual(['cgroup', 'cgroup']);
  await expect(parseConfig(writeGuard(guard), 'x')).resolves.toBeDefined();
  expect(importConfig('systemd-oomd', '', machine).guard.policy.rules[0]?.when[0]?.text).toBe('usage > 90 %');
});

test('converts nohang.conf', async () => {
  const text = `
soft_threshold_min_mem  = 8 %
hard_threshold_min_mem = 4 %
soft_threshold_min_swap = 512 M
psi_checking_enabled = True
psi_metrics = some_avg10
ignore_positive_oom_score_adj = True
@BADNESS_ADJ_RE_NAME -500 /// ^(sway|kwin_x11)$
@BADNESS_ADJ_RE_CMDLINE 300 /// -childID|--type=renderer
@BADNESS_ADJ_RE_ENVIRON 100 /// USER=user
@BADNESS_ADJ_RE_UID 50 /// ^1000$
@SOFT_ACTION_RE_NAME ^foo$ /// kill -SEGV $PID
`;
  const { guard, notes } = importConfig('nohang', text, machine);
  const [memory, pressure] = guard.policy.rules;
  expect(memory?.when.map((one) => one.text)).toEqual(['available <= 8 %', 'swap_free <= 512M']);
  expect(memory?.ignorePositiveAdj).toBe(true);
  expect(memory?.preferences.map(({ points, match }) => [points, match.text])).toEqual([
    [300, 'cmdline -childID|--type=renderer'],
    [50, 'uid 1000'],
    [-500, 'comm ^(sway|kwin_x11)$'],
  ]);
  expect(pressure?.when.map((one) => one.text)).toEqual(['pressure.some.avg10 >= 40 % for 30s', 'available <= 8 %']);
  expect(notes).toHaveLength(2);
  await expect(parseConfig(writeGuard(guard), 'x')).resolves.toBeDefined();
});
