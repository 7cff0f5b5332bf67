import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  noun: 'ACTION',
  description: [
    'Many machines, one stream: nodes publish their events to NATS JetStream (`[publish]` of the configuration, or `trace --publish`), the server keeps them, and these actions set the server up and read the fleet. Without an action, `oomscope fleet` means `oomscope fleet status`.',
  ],
  verbs: {
    status: { about: 'show incidents, nodes and what is killed most', load: () => import('./status.ts') },
    show: { about: 'show one event or incident by its id', load: () => import('./show.ts') },
    web: { about: 'serve a page for a browser about the fleet', load: () => import('./web.ts') },
    alert: { about: 'send alerts about incidents, not about single kills', load: () => import('./alert.ts') },
    setup: { about: 'make or check what a fleet needs on the server', load: () => import('./setup.ts') },
  },
  standard: 'status',
  exits: { ok: true, usage: true },
});
