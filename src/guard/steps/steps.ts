/**
 * The steps that a rule's ladder can take, from mild to hard. The configuration's schema, reader and writer, the help,
 * the ladder and the messages of events are derived from this table. To add a step, add an entry here and its name to
 * `GuardStep` (src/model/guard.ts).
 */
import type { GuardStep } from '../../model/guard.ts';
import { formatBytes } from '../../text/format.ts';
import { type OptionValues, type StepKind, type StepOption, type StepOptions, stepKind } from './step.ts';

const table = {
  notify: stepKind({
    about: 'emits an event, for alerts; changes nothing',
    did: 'Gave notice of',
    waitMs: 0,
    hardness: 0,
    waitsFor: 'nothing',
    options: {},
    act: ({ points }) => ({ outcome: 'done', detail: `${points} points` }),
  }),
  exec: stepKind({
    about: 'runs a program, with the plan on its standard input',
    did: 'Ran the hook for',
    waitMs: 5000,
    hardness: 0,
    waitsFor: 'itself',
    options: { command: { kind: 'words', about: 'the program and its arguments; no shell' } },
    act: (tools, { command }) => tools.run(command),
  }),
  tell: stepKind({
    about: 'sends the plan to a program that listens on a unix socket, and waits until it closes the connection',
    did: 'Sent the plan to the socket for',
    waitMs: 5000,
    hardness: 0,
    waitsFor: 'itself',
    options: { socket: { kind: 'text', about: 'path of the socket (a stream); "@name": an abstract address' } },
    act: (tools, { socket }) => tools.tell(socket),
  }),
  ask: stepKind({
    about: 'sends the victim a signal that it handles, so that it can free memory or exit by itself',
    did: 'Asked',
    waitMs: 5000,
    hardness: 0,
    options: {
      signal: {
        kind: 'choice',
        choices: ['SIGUSR1', 'SIGUSR2', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGURG', 'SIGWINCH'],
        otherwise: 'SIGUSR1',
        about: 'which signal; a process without a handler for it is not sent it',
      },
    },
    act: (tools, { signal }) => tools.ask(signal),
  }),
  reclaim: stepKind({
    about: "asks the kernel to reclaim memory of the victim's cgroup (cgroup v2, Linux 5.19)",
    did: 'Reclaimed from',
    waitMs: 500,
    hardness: 1,
    waitsFor: 'itself',
    options: { bytes: { kind: 'size', otherwise: 64 * 2 ** 20, about: 'how much' } },
    act: (tools, { bytes }) => tools.reclaim(bytes),
  }),
  throttle: stepKind({
    about: "slows the victim's cgroup down by memory.high (cgroup v2)",
    did: 'Throttled',
    waitMs: 5000,
    hardness: 2,
    file: 'memory.high',
    options: {
      percent: { kind: 'whole', least: 10, most: 100, otherwise: 90, about: 'memory.high, in percent of the usage' },
    },
    act: (tools, { percent }) =>
      tools.restrain((read) => {
        const usage = read('memory.current');
        if (usage === undefined) return undefined;
        const bytes = Math.floor((Number(usage) * percent) / 100);
        // Without swap, the usage may stay above memory.high. A share of it would then loosen the limit.
        const now = Number(read('memory.high')); // NaN for "max"
        if (now <= bytes) return { outcome: 'unavailable', detail: `it is already throttled at ${formatBytes(now)}` };
        return { text: String(bytes), detail: `memory.high set to ${formatBytes(bytes)}` };
      }),
  }),
  freeze: stepKind({
    about: "stops all processes of the victim's cgroup (cgroup v2)",
    did: 'Froze',
    waitMs: 1000,
    hardness: 3,
    file: 'cgroup.freeze',
    stops: true,
    notLast: 'frozen processes keep their memory',
    options: {},
    act: (tools) => tools.restrain(() => ({ text: '1', detail: 'frozen' })),
  }),
  term: stepKind({
    about: 'sends SIGTERM',
    did: 'Sent SIGTERM to',
    waitMs: 10_000,
    hardness: 4,
    signal: 'SIGTERM',
    notLast: 'a process may ignore SIGTERM',
    options: {},
    act: (tools) => tools.terminate(),
  }),
  kill: stepKind({
    about: 'sends SIGKILL',
    did: 'Sent SIGKILL to',
    waitMs: 10_000,
    hardness: 5,
    signal: 'SIGKILL',
    options: {},
    act: (tools) => tools.kill(),
  }),
} satisfies Record<GuardStep, StepKind>;

type OptionsOf<Name extends GuardStep> = Name extends unknown ? OptionValues<(typeof table)[Name]['options']> : never;
type All<Union> = (Union extends unknown ? (each: Union) => void : never) extends (each: infer Each) => void
  ? Each
  : never;

/** The options of all steps, by their names in the configuration. Sizes are in bytes. */
export type StepSettings = Partial<All<OptionsOf<GuardStep>>>;

export const steps: Record<GuardStep, StepKind> = table;
export const stepNames = Object.keys(table) as GuardStep[];

/** Returns every option, with the steps that have it. */
export function stepOptions(): { name: string; option: StepOption; owners: GuardStep[] }[] {
  const all = stepNames.flatMap((owner) =>
    Object.entries<StepOption>(steps[owner].options).map(([name, option]) => ({ name, option, owner })),
  );
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, group]) => ({
    name,
    option: (group[0] as (typeof group)[number]).option,
    owners: group.map(({ owner }) => owner),
  }));
}

/** Whether a step has a required option, so that `--steps` cannot name it. */
export const needsOptions = (name: GuardStep) =>
  Object.values<StepOption>(steps[name].options).some((option) => !('otherwise' in option));

/** The files of a cgroup that steps write. */
export const restraintFiles: ReadonlySet<string> = new Set(stepNames.flatMap((name) => steps[name].file ?? []));

/** The step that writes the cgroup file at `path`. */
export const stepOfFile = (path: string) => stepNames.find((name) => path.endsWith(`/${steps[name].file}`));

export type { StepKind, StepOptions };
