/** What the guard does when it is not told: little, and late. */
import { Pattern } from '../policy/pattern.ts';
import type { Match, Rule, Step } from '../policy/rule.ts';
import { parseDetector } from './detector.ts';

/**
 * Without these nobody can get at the machine, or everything on it dies with them. A container's main process is not
 * among them: it is what its runtime restarts.
 */
const INDISPENSABLE =
  '^(systemd.*|\\(sd-pam\\)|init|dbus-daemon|dbus-broker.*|sshd|agetty|login|NetworkManager|udevd|polkitd' +
  '|dockerd|containerd.*|crio|conmon|kubelet|k3s.*|runc|crun|Xorg|Xwayland|gnome-shell|kwin_.*|plasmashell|sway)$';

export function defaultProtection(): Match[] {
  return [{ text: `comm ${INDISPENSABLE}`, comm: new Pattern(INDISPENSABLE) }];
}

export function defaultRules(): Rule[] {
  const step = (what: Step['do'], waitMs: number, atOnce: string[] = []): Step => ({
    do: what,
    if: [],
    atOnce: atOnce.map(parseDetector),
    waitMs,
  });
  const base = {
    on: [{ kind: 'system' as const }],
    rank: 'badness' as const,
    unit: 'process' as const,
    minBytes: 16 * 2 ** 20,
    minPoints: Number.NEGATIVE_INFINITY,
    preferences: [],
    never: [],
    ignorePositiveAdj: false,
    honourOomGroup: true,
    coolDownMs: 1000,
    undoAfterMs: 30_000,
  };
  return [
    {
      ...base,
      name: 'memory and swap run out',
      when: ['available <= 5 %', 'swap_free <= 10 %'].map(parseDetector),
      steps: [step('notify', 0), step('term', 5000), step('kill', 10_000, ['available <= 2 %', 'swap_free <= 5 %'])],
    },
    {
      ...base,
      name: 'everything waits for memory',
      when: ['pressure.full.avg10 >= 60 % for 10s', 'available <= 15 %'].map(parseDetector),
      steps: [step('notify', 0), step('term', 5000), step('kill', 10_000)],
    },
  ];
}
