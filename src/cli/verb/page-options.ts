/** The options of the verbs that serve a page: `web` and `fleet web`. */
import { byDefault, duration, several, text } from './options.ts';

/** @param address where the page is served by default */
export const pageOptions = (address: string) => ({
  listen: byDefault(address, text('ADDRESS', 'serve the page at this address')),
  'token-file': text('FILE', 'a browser must have the token in this file; by default a new token is made'),
  host: several(text('NAME', 'a further name that other hosts use for this one')),
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
});
