import { defineGroup } from '../../verb/define-group.ts';

export const verb = defineGroup({
  verbs: {
    check: { about: 'show how near containers are to their limits', load: () => import('./check.ts') },
    watch: { about: 'report OOM kills in containers, and how containers end', load: () => import('./watch.ts') },
    advise: { about: 'advise memory limits from what was observed', load: () => import('./advise.ts') },
  },
  noun: 'ACTION',
  description: [
    'Shows how the containers of Docker and Podman use memory, on cgroup v1 and v2. Changes nothing.',
    'oomscope sends requests to the sockets of the runtimes: Docker at /run/docker.sock or DOCKER_HOST=unix://PATH, Podman at /run/podman/podman.sock or CONTAINER_HOST=unix://PATH, and the sockets of rootless users. With --socket it uses only the given sockets.',
  ],
});
