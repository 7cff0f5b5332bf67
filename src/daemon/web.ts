/** The page of the daemon. */
import { readFileSync } from 'node:fs';
import type { WebConfig } from '../config/web.ts';
import type { Listeners } from '../http/listeners.ts';
import { makeToken, readToken } from '../http/token.ts';
import { OomscopeError } from '../model/error.ts';
import { Web, type WebOptions } from '../web/open.ts';

export interface WebSurroundings extends Omit<WebOptions, 'listener' | 'page'> {
  listeners: Listeners;
  /** Called with sentences for the log. */
  tell: (note: string) => void;
}

/** @throws OomscopeError USAGE, LISTEN, OBJECT_MISSING */
export async function openWeb(settings: WebConfig, { listeners, tell, ...options }: WebSurroundings): Promise<Web> {
  const { listen, token_file, hosts } = settings;
  const token = token_file === undefined ? makeToken() : readToken(token_file, 'web.token_file');
  const page = readPage();
  const listener = await listeners.at(listen, 'web.listen', { token, hosts });
  const web = new Web({ ...options, listener, page });
  // A token from a file is known to those who may read the file; the log is read by others, too.
  const where =
    token_file === undefined ? listener.link() : `${listener.url}/#token=…, with the token of ${token_file}`;
  tell(`The page is at ${where}`);
  return web;
}

/** The build writes the page beside the bundle of the command: scripts/bundle.ts. */
function readPage(): string {
  try {
    return readFileSync(new URL('web.html', import.meta.url), 'utf8');
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', 'The page is missing: web.html beside the program.', { cause });
  }
}
