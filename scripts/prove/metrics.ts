/**
 * Compares the metrics of `oomscope run` with the counters of the kernel after 100 kills of every kind and scope, on this
 * machine and in guests, looks up each exemplar in the history, and lets a real Prometheus and Alertmanager watch both.
 *
 *   npm run prove:metrics -- [--fresh] [--part PART]... [--write]
 */
import { table } from '../bench/report.ts';
import { type Figures, judge } from './metrics/judge.ts';
import { runHere, runInGuest } from './metrics/runs.ts';
import { scraped } from './metrics/scraped.ts';
import { prove } from './proof.ts';

const KILLS = 100;
const SCRAPED = '6.12';
const ALONE = '7.2';

const inWords = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

await prove<Figures>({
  name: 'metrics',
  claim: `After ${KILLS} kills, the counters equal those of the kernel and the entries of the history, and every exemplar is the id of an event in the history. Guests make the kinds and scopes that this machine cannot make. A real Prometheus has the same counts and exemplars, and a real Alertmanager tells each alert of the rules as firing and as resolved.`,
  parts: [
    {
      name: 'this machine',
      run: async () => judge(await runHere(KILLS), ['already_dying', 'killed', 'shared_memory'], KILLS),
    },
    { name: `Prometheus over this machine and Linux ${SCRAPED}`, run: () => scraped(SCRAPED, KILLS) },
    {
      name: `Linux ${ALONE}`,
      run: async () => judge(await runInGuest(ALONE), ['already_dying', 'group_member', 'killed', 'shared_memory'], 1),
    },
  ],
  render: (parts) =>
    table([
      ['', 'kills by the kernel', 'by kind', 'by scope', 'exemplars found', 'promtool', 'fired and resolved'],
      ...parts.map(({ name, figures }) =>
        figures
          ? [
              name,
              String(figures.kernel),
              inWords(figures.kinds),
              inWords(figures.scopes),
              String(figures.exemplars),
              figures.checked,
              figures.alerts?.join(', ') ?? '-',
            ]
          : [name, '-', '-', '-', '-', '-', '-'],
      ),
    ]),
});
