import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  verbs: {
    plan: { about: 'show what would be changed, and why', load: () => import('./plan.ts') },
    apply: { about: 'apply profiles, and record the old values', load: () => import('./apply.ts') },
    undo: { about: 'restore the old values', load: () => import('./undo.ts') },
    list: { about: 'list the profiles, and what is applied now', load: () => import('./list.ts') },
  },
  noun: 'ACTION',
  description: [
    'Gives processes the oom_score_adj of a profile: critical, database, web, expendable, or one of your own. A process is matched exactly, by systemd unit, cgroup, program or name. Every change can be undone.',
  ],
});
