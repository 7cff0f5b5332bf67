/** `oomscope metrics --listen` and `--textfile`: the tracer and the monitor with metrics as their only output. */
import { type Config, parseConfig } from '../../../config/config.ts';
import { DEFAULT_FLOOR, exposureProblem } from '../../../config/metrics.ts';
import { Features } from '../../../daemon/features.ts';
import { refuseObstacles } from '../../../daemon/obstacle.ts';
import { Watch } from '../../../daemon/watch.ts';
import { parseAddress } from '../../../http/address.ts';
import { readToken } from '../../../http/token.ts';
import { checkTextfile } from '../../../metrics/textfile.ts';
import { Exit } from '../../verb/exit.ts';
import { usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { beginStartUp, endStartUp, tidyNowAndThen } from '../../verb/start-up.ts';
import { tell } from '../../verb/tell.ts';

export interface ServeOptions {
  listen?: string | undefined;
  textfile?: string | undefined;
  'token-file'?: string | undefined;
  public?: boolean | undefined;
  host?: readonly string[] | undefined;
  pods?: boolean | undefined;
  duration?: number | undefined;
}

/** @throws OomscopeError as `oomscope run` */
export async function serve(given: ServeOptions): Promise<number> {
  beginStartUp();
  const config = await configFor(given);
  await refuseObstacles(config);
  const { AlertSinks } = await import('../../../alerts/alert-sinks.ts');
  const ending = new RunUntil();
  ending.bySignals();
  await using alerts = await AlertSinks.open([], { onReport: () => {}, onTrouble: tell });
  await using watch = new Watch();
  await using features = await Features.open({ config, watch, alerts, tell });
  watch.events$.subscribe({ next: (event) => features.take(event), error: ending.fail });
  await watch.open(config, undefined, ending.signal);
  if (!ending.signal.aborted) {
    features.start();
    endStartUp({ optimize: false });
    const endTidying = tidyNowAndThen();
    await ending.comes(given.duration);
    endTidying();
  }
  await features.close();
  ending.throwFailure();
  return Exit.ok;
}

/** The defaults of `oomscope run`, without a guard, and with a section [metrics] that has these options. */
async function configFor({ listen, textfile, pods = false, host = [], ...given }: ServeOptions): Promise<Config> {
  const token_file = given['token-file'];
  const settings = { listen, textfile, token_file, hosts: [...host], pods, public: given.public ?? false };
  if (listen !== undefined) parseAddress(listen, '--listen');
  if (textfile !== undefined) checkTextfile(textfile, '--textfile');
  if (token_file !== undefined) readToken(token_file, '--token-file');
  const problem = exposureProblem(settings);
  if (problem !== undefined) throw usage(`--listen: ${problem('--token-file', '--public')}`);
  return { ...(await parseConfig('', '')), metrics: { ...settings, floor: DEFAULT_FLOOR } };
}
