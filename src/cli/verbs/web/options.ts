/** The options of `oomscope web`. */
import type { Context } from '../../verb/define-verb.ts';
import { text } from '../../verb/options.ts';
import { pageOptions } from '../../verb/page-options.ts';

const { listen, ...rest } = pageOptions('127.0.0.1:9837');

export const options = {
  listen,
  path: text('FILE', 'show this history; by default history.db in the state directory, if it exists'),
  config: text('FILE', 'show the history of the daemon with this configuration'),
  ...rest,
};

export type WebContext = Context<typeof options>;
