/** What a configuration asks of the machine: features that need capabilities, programs that it runs, directories that it writes. */
import { dirname } from 'node:path';
import { needNetwork } from '../alerts/sink-table.ts';
import { parseAddress } from '../http/address.ts';
import type { Feature } from '../linux/rights.ts';
import { stateDirectories } from '../linux/state-directory.ts';
import type { Config } from './config.ts';

export function featuresOf(config: Pick<Config, 'trace' | 'pressure' | 'guard' | 'alert'>): Set<Feature> {
  const { trace, pressure, guard, alert } = config;
  const features = new Set<Feature>();
  if (trace.enabled || pressure.enabled) features.add('watching');
  if (guard?.mode === 'enforce') {
    features.add('guarding');
    if (guard.arm) features.add('arming');
  }
  if (alert.some(({ sink }) => sink === 'desktop')) features.add('notifying');
  return features;
}

/** A path of the configuration, with what uses it, for messages. */
export interface UsedPath {
  path: string;
  by: string;
}

/** The programs that the configuration runs, as they are written. */
export function programsOf({ alert, guard }: Config): UsedPath[] {
  const sinks = alert.flatMap(({ sink, target }) =>
    sink === 'exec' && target !== undefined ? [{ path: target, by: 'the sink exec' }] : [],
  );
  const steps = (guard?.policy.rules ?? []).flatMap(({ name, steps }) =>
    steps.flatMap(({ command }) => (command?.[0] ? [{ path: command[0], by: `rule "${name}"` }] : [])),
  );
  return [...sinks, ...steps];
}

/** Whether the daemon opens network connections, or listens on an address. */
export const needsNetwork = ({ alert, metrics, otlp, publish, web }: Config): boolean =>
  needNetwork(alert) || [metrics?.listen, otlp, publish, web].some((each) => each !== undefined);

/** The ports at which the daemon listens. */
export const portsOf = ({ metrics, web }: Config): number[] => {
  const addresses = [metrics?.listen, web?.listen].filter((address) => address !== undefined);
  return [...new Set(addresses.map((address) => parseAddress(address, 'listen').port))];
};

/** The directories that the configuration writes, without those of the service itself. */
export function writtenBy({ alert, publish, guard, metrics, otlp, history }: Config): UsedPath[] {
  const files = alert.flatMap(({ sink, target, spool }) => [
    ...(sink === 'file' && target !== undefined ? [{ path: dirname(target), by: 'the sink file' }] : []),
    ...(spool === undefined ? [] : [{ path: spool, by: `the spool of the sink ${sink}` }]),
  ]);
  const spool = publish?.spool === undefined ? [] : [{ path: publish.spool, by: 'the spool of [publish]' }];
  const otlpSpool = otlp?.spool === undefined ? [] : [{ path: otlp.spool, by: 'the spool of [otlp]' }];
  const state = guard?.stateFile === undefined ? [] : [{ path: dirname(guard.stateFile), by: 'state_file' }];
  const textfile = metrics?.textfile === undefined ? [] : [{ path: dirname(metrics.textfile), by: 'metrics.textfile' }];
  const kept = history?.path === undefined ? [] : [{ path: dirname(history.path), by: 'the history' }];
  const own = stateDirectories({}, 0);
  return [...files, ...spool, ...otlpSpool, ...state, ...textfile, ...kept].filter(
    ({ path }) => !own.some((each) => path === each || path.startsWith(`${each}/`)),
  );
}
