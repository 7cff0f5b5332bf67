import { Exit } from './exit.ts';
import { usage } from './options.ts';

const actions = {
  plan: { about: 'what would be changed, and why; changes nothing', load: () => import('./protect-plan.ts') },
  apply: { about: 'change it, and write down what was found', load: () => import('./protect-apply.ts') },
  undo: { about: 'put back what was found', load: () => import('./protect-undo.ts') },
  list: { about: 'the profiles, and what is applied now', load: () => import('./protect-list.ts') },
};

export const help = () => `usage: oomscope protect ACTION [PROFILE…] [options]

Gives processes the oom_score_adj of a profile: critical, database, web, expendable, or one of your own. A process is known
exactly, by systemd unit, cgroup, program or name. Whatever is changed can be undone.

${Object.entries(actions)
  .map(([name, { about }]) => `  ${name.padEnd(6)} ${about}`)
  .join('\n')}

\`oomscope protect ACTION --help\` has an action's options and examples.
`;

export async function run([action, ...argv]: string[]): Promise<number> {
  if (action === '--help' || action === '-h' || action === 'help') {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (action === undefined || !Object.hasOwn(actions, action)) {
    const got = action === undefined ? 'nothing' : `"${action}"`;
    throw usage(`protect: expected ${Object.keys(actions).join(', ')}, got ${got}. See \`oomscope protect --help\`.`);
  }
  return (await actions[action as keyof typeof actions].load()).run(argv);
}
