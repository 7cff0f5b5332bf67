/** The units of the running systemd for which systemd-oomd would act. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { OomscopeError } from '../../model/error.ts';
import { timeSpan } from './systemd-syntax.ts';
import type { ManagedUnit } from './systemd-units.ts';

const PROPERTIES = [
  ...['Id', 'ControlGroup', 'ManagedOOMSwap', 'ManagedOOMMemoryPressure', 'ManagedOOMMemoryPressureLimit'],
  ...['ManagedOOMMemoryPressureDurationUSec', 'OOMRules'],
];
const TIMEOUT_MS = 60_000;
const MOST_BYTES = 2 ** 24;
/** systemd scales the limit so that this number is 100 % (UINT32_MAX). */
const WHOLE = 0xffffffff;

const run = promisify(execFile);

/** What systemd runs with now: its units, drop-ins and transient settings included, and the text of oomd.conf. */
export interface Running {
  units: ManagedUnit[];
  /** oomd.conf and its drop-ins. Empty: systemd-analyze found none. */
  oomd: string;
}

/**
 * Asks the systemd of this machine; units of the managers of users are not among its units.
 *
 * @throws OomscopeError NO_INPUT: there is no systemctl, or systemd does not answer
 */
export async function readRunning(): Promise<Running> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: MOST_BYTES, env: { ...process.env, LC_ALL: 'C' } };
  const words = ['show', '--no-pager', ...PROPERTIES.map((name) => `--property=${name}`), '--', '*'];
  try {
    const { stdout } = await run('systemctl', words, options);
    const conf = run('systemd-analyze', ['--no-pager', 'cat-config', 'systemd/oomd.conf'], options);
    return { units: runningUnits(stdout), oomd: await conf.then(({ stdout: text }) => text).catch(() => '') };
  } catch (cause) {
    const message = 'Expected the units of the running systemd from `systemctl show`, and it failed.';
    throw new OomscopeError('NO_INPUT', message, { cause });
  }
}

/** @param text the output of `systemctl show` for many units: lines NAME=VALUE, with an empty line between two units */
export function runningUnits(text: string): ManagedUnit[] {
  return text.split(/\n{2,}/).flatMap((block) => {
    const values = new Map(
      block.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const get = (name: string) => values.get(name) ?? '';
    const unit: ManagedUnit = {
      name: get('Id'),
      on: [get('Id') === '-.slice' ? 'system' : get('ControlGroup')],
      pressure: get('ManagedOOMMemoryPressure') === 'kill',
      swap: get('ManagedOOMSwap') === 'kill',
      limit: percent(get('ManagedOOMMemoryPressureLimit')),
      lastsMs: timeSpan(get('ManagedOOMMemoryPressureDurationUSec')),
      rulesets: get('OOMRules').split(' ').filter(Boolean),
    };
    const acts = unit.pressure || unit.swap || unit.rulesets.length > 0;
    return acts && unit.on[0] !== '' ? [unit] : [];
  });
}

/** undefined: 0, which stands for the default of oomd.conf. */
function percent(scaled: string): number | undefined {
  const share = (100 * Number(scaled)) / WHOLE;
  return share > 0 ? Math.round(share * 100) / 100 : undefined;
}
