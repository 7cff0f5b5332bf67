/** Converts nohang.conf. */
import { checked, type Imported } from './imported.ts';
import { settings } from './settings.ts';

/** The kinds of patterns in nohang.conf, and the field of a match in oomscope with the same meaning. */
const nohangFields: Record<string, 'comm' | 'cmdline' | 'exe'> = {
  NAME: 'comm',
  CMDLINE: 'cmdline',
  REALPATH: 'exe',
};

export function fromNohang(text: string): Imported {
  const given = settings(text, /^([a-z_]+)\s*=\s*(.*?)\s*$/);
  const notes: string[] = [];
  const level = (name: string, otherwise: string) => {
    const value = given.get(name) ?? otherwise;
    return /^[\d.]+\s*%$/.test(value) ? value : `${value.replace(/\s*M$/, '')}M`;
  };
  const low = [
    `available <= ${level('soft_threshold_min_mem', '5 %')}`,
    `swap_free <= ${level('soft_threshold_min_swap', '10 %')}`,
  ];
  const lower = [
    `available <= ${level('hard_threshold_min_mem', '2 %')}`,
    `swap_free <= ${level('hard_threshold_min_swap', '4 %')}`,
  ];
  const seconds = (name: string, otherwise: string) => `${given.get(name) ?? otherwise}s`;
  const steps = (hard: string[]) => [
    { do: 'term', wait: seconds('max_soft_exit_time', '10') },
    { do: 'kill', at_once: hard },
  ];
  const selection = {
    ...preferencesOf(text, notes),
    ignore_positive_adj: given.get('ignore_positive_oom_score_adj') === 'True',
  };
  const rules: object[] = [
    { name: 'memory and swap', when: low, rank: 'oom_score', steps: steps(lower), ...selection },
  ];
  if (given.get('psi_checking_enabled') === 'True') {
    const metric = (given.get('psi_metrics') ?? 'full_avg10').replace('_', '.');
    const above = (name: string, otherwise: string) => `pressure.${metric} >= ${given.get(name) ?? otherwise} %`;
    rules.push({
      name: 'pressure',
      when: [`${above('soft_threshold_max_psi', '40')} for ${seconds('psi_excess_duration', '30')}`, low[0]],
      rank: 'oom_score',
      steps: steps([above('hard_threshold_max_psi', '90')]),
      cool_down: seconds('psi_post_action_delay', '15'),
      ...selection,
    });
  }
  if (given.get('zram_checking_enabled') === 'True')
    notes.push('zram_checking_enabled: there is no metric for zram; swap_free includes it');
  for (const line of text.matchAll(/^@SOFT_ACTION_RE_\w+.*$/gm))
    notes.push(`${line[0]}: to run a program, add a step with do = "exec"`);
  return checked('nohang', { rule: rules }, notes);
}

function preferencesOf(text: string, notes: string[]) {
  const prefer: object[] = [];
  const avoid: object[] = [];
  for (const [line, kind = '', points = '', regex = ''] of text.matchAll(
    /^@BADNESS_ADJ_RE_(\w+)\s+(-?\d+)\s*\/\/\/\s*(.*?)\s*$/gm,
  )) {
    const field = Object.hasOwn(nohangFields, kind) ? nohangFields[kind] : undefined;
    const uid = kind === 'UID' ? /^\^?(\d+)\$?$/.exec(regex)?.[1] : undefined;
    if (!field && uid === undefined) {
      notes.push(
        `${line}: ${kind === 'UID' ? 'only a single uid can be converted' : 'there is no such field here'}; use prefer or avoid`,
      );
      continue;
    }
    const size = Math.min(2000, Math.abs(Number(points)));
    const match = { ...(field ? { [field]: regex } : { uid: Number(uid) }), points: size };
    if (size > 0) (Number(points) > 0 ? prefer : avoid).push(match);
  }
  return { prefer, avoid };
}
