import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  verbs: { test: { about: 'send a test alert to a sink', load: () => import('./test.ts') } },
  noun: 'ACTION',
  description: [
    'Tries out the sinks of alerts: webhook, Slack, Alertmanager, PagerDuty, email, a program, a file, the journal, the desktop.',
  ],
});
