/** The page of the daemon, and that of a fleet. */
import { readFileSync } from 'node:fs';
import type { WebConfig } from '../config/web.ts';
import type { Listener } from '../http/listener.ts';
import type { Listeners } from '../http/listeners.ts';
import { makeToken, readToken } from '../http/token.ts';
import { OomscopeError } from '../model/error.ts';
import { FleetWeb, type FleetWebOptions } from '../web/fleet.ts';
import { Web, type WebOptions } from '../web/open.ts';

export interface WebSurroundings extends Omit<WebOptions, 'listener' | 'page'> {
  listeners: Listeners;
  /** Called with sentences for the log. */
  tell: (note: string) => void;
}

/** @throws OomscopeError USAGE, LISTEN, OBJECT_MISSING */
export async function openWeb(settings: WebConfig, { listeners, tell, ...options }: WebSurroundings): Promise<Web> {
  const { where, ...place } = await placeOf(settings, listeners);
  const web = new Web({ ...options, ...place });
  tell(`The page is at ${where}`);
  return web;
}

/** @throws OomscopeError USAGE, LISTEN, OBJECT_MISSING */
export async function openFleetWeb(
  settings: WebConfig,
  { listeners, ...options }: Omit<FleetWebOptions, 'listener' | 'page'> & Pick<WebSurroundings, 'listeners'>,
): Promise<FleetWeb> {
  const { where, ...place } = await placeOf(settings, listeners);
  const web = new FleetWeb({ ...options, ...place });
  options.tell(`The page is at ${where}`);
  return web;
}

interface Place {
  listener: Listener;
  page: string;
  /** The link, for people. */
  where: string;
}

async function placeOf({ listen, token_file, hosts }: WebConfig, listeners: Listeners): Promise<Place> {
  const token = token_file === undefined ? makeToken() : readToken(token_file, 'web.token_file');
  const page = readPage();
  const listener = await listeners.at(listen, 'web.listen', { token, hosts });
  // A token from a file is known to those who may read the file; the log is read by others, too.
  const where =
    token_file === undefined ? listener.link() : `${listener.url}/#token=…, with the token of ${token_file}`;
  return { listener, page, where };
}

/** The build writes the page beside the bundle of the command: scripts/bundle.ts. */
function readPage(): string {
  try {
    return readFileSync(new URL('web.html', import.meta.url), 'utf8');
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', 'The page is missing: web.html beside the program.', { cause });
  }
}
