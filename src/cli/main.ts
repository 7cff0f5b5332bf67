#!/usr/bin/env node
/**
 * oomscope VERB: finds the verb, loads only it, and turns errors into a sentence and an exit code.
 */
import { OomscopeError } from '../model/error.ts';
import { VERSION } from '../version.ts';
import { Exit, exitCodeOf } from './verb/exit.ts';
import { runVerb, type Verbs, verbsHelp } from './verb/verbs.ts';

const verbs: Verbs = {
  trace: { about: 'say who is killed for memory, the moment it happens', load: () => import('./verbs/trace.ts') },
  scores: {
    about: 'say who would be killed next, and how close it is',
    load: () => import('./verbs/scores/scores.ts'),
  },
  protect: {
    about: 'who is killed last, and who first: oom_score_adj by profiles',
    load: () => import('./verbs/protect/protect.ts'),
  },
  tree: {
    about: 'the tree of memory cgroups: who holds the memory, and where it is hot',
    load: () => import('./verbs/tree.ts'),
  },
  docker: {
    about: 'containers: how near they are to their limits, who was OOM-killed',
    load: () => import('./verbs/docker/docker.ts'),
  },
  pressure: {
    about: 'show who is short of memory, live; and say when it gets tight',
    load: () => import('./verbs/pressure/pressure.ts'),
  },
  doctor: { about: 'say what works on this machine, and what is missing', load: () => import('./verbs/doctor.ts') },
  alert: {
    about: 'try out where alerts go: webhook, Slack, Alertmanager, a program, a file',
    load: () => import('./verbs/alert.ts'),
  },
  explain: {
    about: 'read a kernel log: what happened at each OOM, why, and what to do',
    load: () => import('./verbs/explain.ts'),
  },
  run: { about: 'all of it as a daemon, by one file', load: () => import('./verbs/run.ts') },
  guard: {
    about: 'kill the right process before the kernel kills the wrong one',
    load: () => import('./verbs/guard.ts'),
  },
  record: { about: 'write down what the guard would decide on', load: () => import('./verbs/record.ts') },
  replay: { about: 'run rules over what was written down', load: () => import('./verbs/replay.ts') },
  config: {
    about: 'check, print and import configurations',
    load: () => import('./verbs/config.ts'),
  },
  systemd: { about: 'print, install or remove the unit for `oomscope run`', load: () => import('./verbs/systemd.ts') },
  schema: { about: 'print the JSON Schema of the events', load: () => import('./verbs/schema.ts') },
};

const help = () => `usage: oomscope VERB [options]

Who was killed for memory on Linux, by whom, why, and whose limit it was; who would be next, and what can be done before.

${verbsHelp(verbs)}

\`oomscope VERB --help\` has a verb's options and examples; \`oomscope --version\` the version.
`;

async function main(argv: string[]): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    process.stdout.write(`oomscope ${VERSION}\n`);
    return Exit.ok;
  }
  return runVerb(verbs, argv, {
    help,
    refusal: (names, got) => `Expected a verb (${names}), got ${got}. See \`oomscope --help\`.`,
  });
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof OomscopeError) {
      process.stderr.write(`oomscope: ${error.message}\n${error.detail ? `${error.detail}\n` : ''}`);
      process.exitCode = exitCodeOf(error.code);
    } else {
      process.stderr.write(`oomscope: internal error: ${(error as Error)?.stack ?? String(error)}\n`);
      process.exitCode = Exit.software;
    }
  },
);
