import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, duration } from '../../verb/options.ts';
import { pageOptions } from '../../verb/page-options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { serverOf, serverOption, serverSections } from '../../verb/server-option.ts';
import { tell } from '../../verb/tell.ts';

const ADDRESS = '127.0.0.1:9838';
const options = {
  server: serverOption,
  since: byDefault('1d', duration('TIME', 'show what the server stored in this time')),
  ...pageOptions(ADDRESS),
};

const DAY_MS = 86_400_000;

export const verb = defineVerb({
  description: [
    'Serves a page for a browser on this machine: incidents, the nodes that need attention first, what is killed most, and the kills of all nodes with their stories. It prints a link with a token, because other users of the machine could connect, too.',
    'It only reads from the server of the fleet. Events of the fleet are kept in a temporary file while the page is served.',
  ],
  options,
  sections: serverSections(),
  format: 'raw',
  examples: [
    { command: 'oomscope fleet web --server nats://nats.example.org', about: 'Show the last day, and go on.' },
    { command: 'oomscope fleet web --since 7d --listen 127.0.0.1:8080', about: 'Show a week, at another port.' },
    {
      command: "oomscope fleet web \\\n  --server 'tls://nats.example.org credentials=/etc/oomscope/reader.creds'",
      about: 'Use TLS and a file of credentials.',
    },
  ],
  exits: {
    ok: true,
    usage: true,
    unavailable: 'the address is taken, or the server cannot be reached, refuses, or is not set up',
  },
  run,
});

async function run({ given }: Context<typeof options>): Promise<number> {
  const [{ openFleet }, { openFleetWeb }, { Listeners }, { pageAccess }] = await Promise.all([
    import('../../../fleet/open-fleet.ts'),
    import('../../../daemon/web.ts'),
    import('../../../http/listeners.ts'),
    import('../../verb/page-access.ts'),
  ]);
  const { since: sinceMs = DAY_MS } = given;
  const page = pageAccess(given, ADDRESS);
  const ending = new RunUntil();
  ending.bySignals();
  const access = serverOf(given.server);
  await using fleet = await openFleet({ ...access, sinceMs, onTrouble: tell });
  await using listeners = new Listeners();
  const surroundings = { listeners, tell, fleet, sinceMs, name: access.servers.join(', ') };
  await using web = await openFleetWeb(page, surroundings);
  await web.start(ending.fail);
  await ending.comes(given.duration);
  await listeners.close();
  ending.throwFailure();
  return Exit.ok;
}
