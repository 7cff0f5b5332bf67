/** What a kind of step declares. The kinds themselves are in steps.ts. */

/** `unavailable`: this kernel, cgroup version or privilege does not have it. */
export interface StepResult {
  outcome: 'done' | 'failed' | 'unavailable';
  detail: string | null;
}

/** An option of one kind of step. One without `otherwise` is required. */
export type StepOption = { about: string } & (
  | { kind: 'size'; otherwise: number }
  | { kind: 'whole'; least: number; most: number; otherwise: number }
  | { kind: 'words' }
);

export type StepOptions = Record<string, StepOption>;
/** The values of a step's options: sizes in bytes. */
export type OptionValues<O extends StepOptions> = {
  -readonly [Name in keyof O]: O[Name]['kind'] extends 'words' ? string[] : number;
};

/** Chooses what to write. It may read other files of the cgroup; undefined: one that it needs is missing. */
export type Restraint = (read: (file: string) => string | undefined) => { text: string; detail: string } | undefined;

/** What a step can do with its victim. The ladder implements it. */
export interface StepTools {
  /** Points by which the victim was chosen. */
  readonly points: number;
  /** Runs a program with the plan on its standard input, for at most the step's wait. */
  run(command: readonly string[]): Promise<StepResult>;
  /** Asks the kernel to reclaim this much from the victim's cgroup, and waits for it. */
  reclaim(bytes: number): Promise<StepResult>;
  /** Writes to the step's `file` in the victim's cgroup, until the shortage is over. */
  restrain(choose: Restraint): StepResult;
  /** SIGTERM to all members of the victim. */
  terminate(): StepResult;
  /** SIGKILL to all members of the victim, and to what they have forked. */
  kill(): StepResult;
}

export interface StepKind<O extends StepOptions = StepOptions> {
  /** One sentence for help and for the schema of the configuration. */
  about: string;
  /** For the message of an action that was done: "Froze nginx (pid 42)". */
  did: string;
  /** How long the step may take to help before the next one, in ms, unless the step says so itself. */
  waitMs: number;
  /** A ladder goes from mild to hard. 0: the step may stand anywhere, also after a kill. */
  hardness: number;
  /** `nothing`: what was seen before it still holds. `itself`: the next step need not wait once it has returned. */
  waitsFor?: 'nothing' | 'itself';
  /** The signal that it sends to the victim. */
  signal?: 'SIGTERM' | 'SIGKILL';
  /** The file of a cgroup that it writes, which is put back after the shortage. */
  file?: string;
  /** The victim cannot handle SIGTERM while this lasts: it is undone before a signal. */
  stops?: true;
  /** Why a harder step has to follow. */
  notLast?: string;
  options: O;
  act(tools: StepTools, options: OptionValues<O>): StepResult | Promise<StepResult>;
}

/** Checks the options of a kind of step against what its act() takes. */
export const stepKind = <const O extends StepOptions>(kind: StepKind<O>): StepKind<O> => kind;
