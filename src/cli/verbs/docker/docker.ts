import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  verbs: {
    check: { about: 'show how near containers are to their limits', load: () => import('./check.ts') },
    watch: { about: 'report OOM kills of containers, and how they ended', load: () => import('./watch.ts') },
    advise: { about: 'advise memory limits from what was observed', load: () => import('./advise.ts') },
  },
  noun: 'ACTION',
  description: [
    'Shows what the containers of Docker and Podman do with memory, on cgroup v1 and v2. Changes nothing.',
    'The runtimes are asked on their sockets: Docker on /run/docker.sock or DOCKER_HOST=unix://PATH, Podman on /run/podman/podman.sock or CONTAINER_HOST=unix://PATH, and those of users; or only on the sockets of --socket.',
  ],
});
