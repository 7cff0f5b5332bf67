import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  verbs: {
    events: {
      about: 'list OOM kills of pods, and whether each "OOMKilled" is true',
      load: () => import('./events.ts'),
    },
    top: { about: 'show the memory of the pods on this node', load: () => import('./top.ts') },
    recommend: { about: 'advise requests and limits for pods', load: () => import('./recommend.ts') },
    check: { about: 'show what works in this cluster and on this node', load: () => import('./check.ts') },
    manifest: { about: 'print or write what runs oomscope on each node', load: () => import('./manifest.ts') },
  },
  noun: 'ACTION',
  description: [
    'Shows what Kubernetes does not tell about OOM kills. Changes nothing in the cluster.',
    'The cluster is that of the kubeconfig, or of the pod in which oomscope runs.',
  ],
});
