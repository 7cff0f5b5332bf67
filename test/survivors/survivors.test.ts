/**
 * The table of survivors has an oom_score_adj for each program that must survive, and all advice of oomscope agrees
 * with it.
 */
import { expect, test } from 'vitest';
import { defaultProtection } from '../../src/config/defaults.ts';
import { runtimeOf } from '../../src/explain/verdict/runtimes.ts';
import { matches } from '../../src/guard/rules/match.ts';
import { builtIn, profileServiceLines } from '../../src/protect/profile.ts';
import { type Survivor, serviceLines, survivorOf, survivors } from '../../src/survivors/survivors.ts';
import { process_ } from '../guard/rules/world.ts';

test('the values are those that the projects ship', () => {
  const adjOf = (comm: string) => survivorOf(comm)?.adj;
  expect(
    ['sshd', 'systemd-udevd', 'systemd-journal', 'dbus-daemon', 'containerd', 'dockerd', 'kubelet', 'mariadbd'].map(
      adjOf,
    ),
  ).toEqual([-1000, -1000, -250, -900, -999, -500, -999, -600]);
});

test('a pattern matches only whole names', () => {
  expect(survivorOf('postcode')).toBeUndefined();
  expect(survivorOf('code')?.kind).toBe('expendable');
  expect(survivorOf('sshd-session')).toBe(survivorOf('sshd'));
});

test('only programs that set -1000 themselves, or by their unit, have it: all others remain killable', () => {
  const immune = survivors.filter(({ adj }) => adj === -1000);
  expect(immune.every(({ setBy }) => setBy !== 'ours')).toBe(true);
  expect(immune.some(({ kind }) => kind === 'database')).toBe(false);
});

test('a profile of `protect` gives each of its programs the value of the table', () => {
  for (const { oomScoreAdj, selectors, name } of builtIn) {
    for (const { by, is } of selectors.filter((each) => each.by === 'exe')) {
      const survivor = survivorOf(is.replace(/.*\//, ''));
      // sshd sets its own value, so `protect` does not write one: see test/protect/plan.test.ts.
      if (survivor?.setBy !== 'program') expect([by, is, name, survivor?.adj]).toEqual([by, is, name, oomScoreAdj]);
    }
  }
});

test('`explain` and the drop-in of `protect` give PostgreSQL the same lines', () => {
  const lines = serviceLines(survivorOf('postgres') as Survivor);
  expect(lines).toEqual([
    'OOMScoreAdjust=-900',
    'Environment=PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj PG_OOM_ADJUST_VALUE=0',
  ]);
  const profile = builtIn.find(({ name }) => name === 'postgresql');
  expect(profile && profileServiceLines(profile)).toEqual([...lines, 'OOMPolicy=continue']);
  const advice = runtimeOf('postgres')
    ?.advice.map((each) => each.do)
    .join('\n');
  for (const line of lines) expect(advice).toContain(line);
});

test('the guard never kills the programs without which a machine cannot be used, but may kill databases', () => {
  const spared = (comm: string) => defaultProtection().some((match) => matches(match, process_(1000, { comm }), true));
  const needed = [
    'systemd',
    'systemd-logind',
    '(sd-pam)',
    'init',
    'sshd',
    'sshd-session',
    'agetty',
    'login',
    'polkitd',
  ];
  const runtimes = [
    'dockerd',
    'containerd',
    'containerd-shim',
    'crio',
    'conmon',
    'kubelet',
    'k3s-server',
    'runc',
    'crun',
  ];
  const desktop = ['Xorg', 'Xwayland', 'gnome-shell', 'kwin_wayland', 'plasmashell', 'sway'];
  for (const comm of [...needed, ...runtimes, ...desktop, 'dbus-broker-lau', 'NetworkManager']) {
    expect([comm, spared(comm)]).toEqual([comm, true]);
  }
  for (const comm of ['postgres', 'nginx', 'chrome', 'initial', 'node'])
    expect([comm, spared(comm)]).toEqual([comm, false]);
});
