/** What the guard does when it is not told: little, and late. */
import { Pattern } from '../guard/rules/pattern.ts';
import type { Match } from '../guard/rules/rule.ts';

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

/** As they would stand in the file. */
export const rawDefaultRules = [
  {
    name: 'memory and swap run out',
    when: ['available <= 10 %', 'swap_free <= 10 %'],
    rank: 'projected',
    steps: [
      { do: 'notify' },
      { do: 'term', wait: '5s' },
      { do: 'kill', at_once: ['available <= 5 %', 'swap_free <= 5 %'] },
    ],
  },
  {
    name: 'everything waits for memory',
    when: ['pressure.full.avg10 >= 60 % for 10s', 'available <= 15 %'],
    steps: [{ do: 'notify' }, { do: 'term', wait: '5s' }, { do: 'kill' }],
  },
];
