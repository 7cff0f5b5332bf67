import { defineVerb } from '../../verb/define-verb.ts';
import { options } from './options.ts';

export const verb = defineVerb({
  description: [
    'Serves a page for a browser on this machine: where the memory is now, which limit is nearest, which process would be killed next, past kills with their stories, and decisions of the guard. It prints a link with a token, because other users of the machine could connect, too.',
    'It traces nothing itself, and needs no privilege: kills come from the history that `oomscope run` keeps. The daemon serves the same page, with its events as they happen, if its configuration has a section [web].',
    'For a browser on another machine, forward the port: ssh -L 9837:127.0.0.1:9837 HOST.',
  ],
  options,
  format: 'raw',
  examples: [
    { command: 'oomscope web', about: 'Show this machine, and its history if this user may read it.' },
    { command: 'oomscope web --listen 127.0.0.1:8080', about: 'Use another port.' },
    { command: 'sudo oomscope web --config /etc/oomscope.toml', about: 'Show the history of the daemon, too.' },
  ],
  exits: {
    ok: true,
    usage: true,
    noInput: 'the given history is missing',
    unavailable: 'the address is taken',
  },
  run: async (context) => (await import('./serve.ts')).serve(context),
});
