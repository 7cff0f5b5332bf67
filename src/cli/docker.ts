import { Exit } from './exit.ts';
import { usage } from './options.ts';

const actions = {
  check: { about: 'how near containers are to their limits, and why', load: () => import('./docker-check.ts') },
  watch: { about: 'which container was OOM-killed, and which only looks so', load: () => import('./docker-watch.ts') },
  advise: {
    about: 'limits from what was observed, for Compose and docker update',
    load: () => import('./docker-advise.ts'),
  },
};

export const help = () => `usage: oomscope docker ACTION [options]

Containers of Docker and Podman, and what they do with memory. On cgroup v1 and v2.

${Object.entries(actions)
  .map(([name, { about }]) => `  ${name.padEnd(7)} ${about}`)
  .join('\n')}

The runtimes are asked on their sockets: Docker's (/run/docker.sock, or DOCKER_HOST=unix://PATH), Podman's
(/run/podman/podman.sock, or CONTAINER_HOST=unix://PATH) and those of users; or the one of --socket. Nothing is changed.

\`oomscope docker ACTION --help\` has an action's options and examples.
`;

export async function run([action, ...argv]: string[]): Promise<number> {
  if (action === '--help' || action === '-h' || action === 'help') {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (action === undefined || !Object.hasOwn(actions, action)) {
    const got = action === undefined ? 'nothing' : `"${action}"`;
    throw usage(`docker: expected ${Object.keys(actions).join(', ')}, got ${got}. See \`oomscope docker --help\`.`);
  }
  return (await actions[action as keyof typeof actions].load()).run(argv);
}
