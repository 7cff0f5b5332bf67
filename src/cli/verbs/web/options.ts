/** The options of `oomscope web`. */
import type { Context } from '../../verb/define-verb.ts';
import { byDefault, duration, several, text } from '../../verb/options.ts';

export const options = {
  listen: byDefault('127.0.0.1:9837', text('ADDRESS', 'serve the page at this address')),
  path: text('FILE', 'show this history; by default history.db in the state directory, if it exists'),
  config: text('FILE', 'show the history of the daemon with this configuration'),
  'token-file': text('FILE', 'a browser must have the token in this file; by default a new token is made'),
  host: several(text('NAME', 'a further name that other hosts use for this one')),
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
};

export type WebContext = Context<typeof options>;
