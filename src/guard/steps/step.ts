/** The type of a kind of step. The kinds themselves are in steps.ts. */

/** The result of a step. `unavailable`: the kernel, the cgroup version or the privileges do not allow the step. */
export interface StepResult {
  outcome: 'done' | 'failed' | 'unavailable';
  detail: string | null;
}

/** An option of one kind of step. `otherwise` is its default; an option without a default is required. */
export type StepOption = { about: string } & (
  | { kind: 'size'; otherwise: number }
  | { kind: 'whole'; least: number; most: number; otherwise: number }
  | { kind: 'words' }
  | { kind: 'text' }
  | { kind: 'choice'; choices: readonly string[]; otherwise: string }
);

export type StepOptions = Record<string, StepOption>;
/** The values of a step's options. Sizes are in bytes. */
export type OptionValues<O extends StepOptions> = {
  -readonly [Name in keyof O]: O[Name]['kind'] extends 'words'
    ? string[]
    : O[Name]['kind'] extends 'text' | 'choice'
      ? string
      : number;
};

/**
 * Chooses the text to write. It may read other files of the cgroup; a StepResult: nothing is to be written; undefined: a
 * file that it needs is missing.
 */
export type Restraint = (
  read: (file: string) => string | undefined,
) => { text: string; detail: string } | StepResult | undefined;

/** The operations that a step can use. `VictimTools` (src/guard/ladder/step-tools.ts) implements them. */
export interface StepTools {
  /** The points of the victim, by which the rule chose it. */
  readonly points: number;
  /** Runs a program with the plan on its standard input, for at most the step's waiting time. */
  run(command: readonly string[]): Promise<StepResult>;
  /**
   * Sends the plan to a unix socket, and waits until the receiver closes the connection, for at most the step's waiting
   * time.
   */
  tell(socket: string): Promise<StepResult>;
  /** Sends a signal to each process of the victim that has a handler for the signal. Other processes would die of it. */
  ask(signal: string): StepResult;
  /** Asks the kernel to reclaim this much memory from the victim's cgroup, and waits until it has done so. */
  reclaim(bytes: number): Promise<StepResult>;
  /** Writes the step's `file` in the victim's cgroup. The old value is restored when the shortage is over. */
  restrain(choose: Restraint): StepResult;
  /** Sends SIGTERM to all processes of the victim. */
  terminate(): StepResult;
  /**
   * Sends SIGKILL to all processes of the victim. If the victim is a cgroup, the processes that they have forked are
   * killed, too.
   */
  kill(): StepResult;
}

export interface StepKind<O extends StepOptions = StepOptions> {
  /** What the step does, for the help text and for the schema of the configuration. */
  about: string;
  /** The start of the message about a step that was taken: "Froze nginx (pid 42)". */
  did: string;
  /** The default waiting time before the next step (ms). */
  waitMs: number;
  /**
   * In a ladder, steps must be in ascending order of hardness. 0: the step may be at any position, also after a kill.
   */
  hardness: number;
  /**
   * `nothing`: the step changes nothing, so the snapshot taken before it is still valid. `itself`: when act() has
   * returned, the next step need not wait.
   */
  waitsFor?: 'nothing' | 'itself';
  /** The signal that the step sends to the victim. */
  signal?: 'SIGTERM' | 'SIGKILL';
  /** The cgroup file that the step writes, and that is restored after the shortage. */
  file?: string;
  /** The step stops the victim, which then cannot handle SIGTERM. It is undone before SIGTERM is sent. */
  stops?: true;
  /** Why the step must not be the last of a ladder. */
  notLast?: string;
  options: O;
  act(tools: StepTools, options: OptionValues<O>): StepResult | Promise<StepResult>;
}

/** Lets the compiler check that the options of a kind of step have the types that its act() takes. */
export const stepKind = <const O extends StepOptions>(kind: StepKind<O>): StepKind<O> => kind;
