/** Converts oomd.conf of systemd-oomd. */
import { checked, type Imported } from './imported.ts';
import { settings } from './settings.ts';

export function fromSystemdOomd(text: string): Imported {
  const given = settings(text, /^\s*(\w+)\s*=\s*(.*?)\s*$/);
  const percent = (name: string, otherwise: number) => {
    const [, number, unit = '%'] = /^([\d.]+)([%‰‱]?)$/.exec(given.get(name) ?? '') ?? [];
    return number === undefined ? otherwise : Number(number) / ({ '‰': 10, '‱': 100 }[unit] ?? 1);
  };
  const used = percent('SwapUsedLimit', 90);
  const pressure = percent('DefaultMemoryPressureLimit', 60);
  const lasts = given.get('DefaultMemoryPressureDurationSec') ?? '30s';
  const free = round(100 - used);
  const rules = [
    {
      name: 'memory and swap used above the limit',
      when: [`usage > ${used} %`, `swap_free < ${free} %`],
      rank: 'swap',
      kill: 'cgroup',
      steps: [{ do: 'kill' }],
      cool_down: '15s',
    },
    {
      name: 'pressure above the limit',
      on: '/*.slice/*',
      when: [`pressure.full.avg10 > ${pressure} % for ${/^\d+$/.test(lasts) ? `${lasts}s` : lasts}`],
      kill: 'cgroup',
      steps: [{ do: 'kill' }],
      cool_down: '15s',
    },
  ];
  return checked('systemd-oomd', { rule: rules }, [
    'ManagedOOMSwap=, ManagedOOMMemoryPressure= of units: set `on` of a rule to the cgroups it is for; here: all below slices',
    'candidates are ranked by memory, not by pages scanned for reclaim (pgscan)',
    ...(used >= 100 ? ['SwapUsedLimit=100%: never fires'] : []),
  ]);
}

const round = (value: number) => Math.round(value * 100) / 100;
