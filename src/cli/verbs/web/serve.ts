/** Serves the page until a signal ends it. */
import { existsSync } from 'node:fs';
import { readConfig } from '../../../config/config.ts';
import { DEFAULT_WEB } from '../../../config/web.ts';
import { openWeb } from '../../../daemon/web.ts';
import { defaultHistoryPath, hintOfRoot } from '../../../history/file.ts';
import { HistoryReader } from '../../../history/reader.ts';
import { Listeners } from '../../../http/listeners.ts';
import { OomscopeError } from '../../../model/error.ts';
import { printable } from '../../../text/printable.ts';
import { Exit } from '../../verb/exit.ts';
import { usage } from '../../verb/options.ts';
import { pageAccess } from '../../verb/page-access.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { tell } from '../../verb/tell.ts';
import type { WebContext } from './options.ts';

export async function serve({ given }: WebContext): Promise<number> {
  const access = pageAccess(given, DEFAULT_WEB);
  const historyPath = await historyOf(given);
  if (historyPath === undefined)
    tell(`There is no history to show: \`oomscope run\` keeps one if its configuration has [history].${hintOfRoot()}`);
  else await tellWhetherReadable(historyPath);
  const ending = new RunUntil();
  ending.bySignals();
  await using listeners = new Listeners();
  const surroundings = { listeners, tell, historyPath, live: false, guard: null };
  await using web = await openWeb(access, surroundings);
  web.start();
  await ending.comes(given.duration);
  await listeners.close();
  return Exit.ok;
}

/** A history that cannot be read is no reason to end: the page has the present, and the daemon may still begin the file. */
async function tellWhetherReadable(path: string): Promise<void> {
  await using reader = new HistoryReader(path);
  await reader
    .ask({ ask: 'newest' })
    .catch(({ message }: Error) => tell(`The page cannot show past kills. ${message}`));
}

async function historyOf({ path, config }: WebContext['given']): Promise<string | undefined> {
  if (path !== undefined && config !== undefined) throw usage('Expected one of --path and --config, got both.');
  const asked = path ?? (config === undefined ? undefined : (await readConfig(config)).history?.path);
  if (path !== undefined && !existsSync(path))
    throw new OomscopeError('NO_INPUT', `There is no history at ${printable(path)}.`);
  const file = asked ?? defaultHistoryPath();
  return existsSync(file) ? file : undefined;
}
