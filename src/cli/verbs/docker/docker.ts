import { runVerb, type Verbs, verbsHelp } from '../../verb/verbs.ts';

const actions: Verbs = {
  check: { about: 'how near containers are to their limits, and why', load: () => import('./check.ts') },
  watch: { about: 'which container was OOM-killed, and which only looks so', load: () => import('./watch.ts') },
  advise: {
    about: 'limits from what was observed, for Compose and docker update',
    load: () => import('./advise.ts'),
  },
};

export const help = () => `usage: oomscope docker ACTION [options]

Containers of Docker and Podman, and what they do with memory. On cgroup v1 and v2.

${verbsHelp(actions)}

The runtimes are asked on their sockets: Docker's (/run/docker.sock, or DOCKER_HOST=unix://PATH), Podman's
(/run/podman/podman.sock, or CONTAINER_HOST=unix://PATH) and those of users; or the one of --socket. Nothing is changed.

\`oomscope docker ACTION --help\` has an action's options and examples.
`;

export const run = (argv: string[]): Promise<number> =>
  runVerb(actions, argv, {
    help,
    refusal: (names, got) => `docker: expected ${names}, got ${got}. See \`oomscope docker --help\`.`,
  });
