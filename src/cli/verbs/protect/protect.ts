import { runVerb, type Verbs, verbsHelp } from '../../verb/verbs.ts';

const actions: Verbs = {
  plan: { about: 'what would be changed, and why; changes nothing', load: () => import('./plan.ts') },
  apply: { about: 'change it, and write down what was found', load: () => import('./apply.ts') },
  undo: { about: 'put back what was found', load: () => import('./undo.ts') },
  list: { about: 'the profiles, and what is applied now', load: () => import('./list.ts') },
};

export const help = () => `usage: oomscope protect ACTION [PROFILE…] [options]

Gives processes the oom_score_adj of a profile: critical, database, web, expendable, or one of your own. A process is known
exactly, by systemd unit, cgroup, program or name. Whatever is changed can be undone.

${verbsHelp(actions)}

\`oomscope protect ACTION --help\` has an action's options and examples.
`;

export const run = (argv: string[]): Promise<number> =>
  runVerb(actions, argv, {
    help,
    refusal: (names, got) => `protect: expected ${names}, got ${got}. See \`oomscope protect --help\`.`,
  });
