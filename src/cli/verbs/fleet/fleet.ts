import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  noun: 'ACTION',
  description: [
    'Many machines, one stream: nodes publish their events to NATS JetStream (`[publish]` of the configuration, or `trace --publish`), and these actions set the server up.',
  ],
  verbs: {
    setup: {
      about: 'make or check what a fleet needs on the server',
      load: () => import('./setup.ts'),
    },
  },
  exits: { ok: true, usage: true },
});
