import type { VerbData } from './help.ts';

/** The implementation of a verb or an action. */
export interface Verb {
  /** The actions, if the verb is a group of actions. */
  verbs?: VerbTable;
  /**
   * @param name the words after `oomscope`, such as "docker check"
   * @param about the verb's line in the list of verbs
   */
  describe(name: string, about: string): VerbData;
  /** @returns the exit code. @throws OomscopeError */
  run(name: string, about: string, argv: string[]): Promise<number>;
}

/** Reads the words of a command line by itself. @returns the exit code */
export type Program = (argv: string[]) => Promise<number>;

export interface VerbEntry {
  about: string;
  load: () => Promise<{ verb: Verb }>;
  /** Programs that run instead of the verb, by the first word that selects them. The verb is not loaded for them. */
  instead?: Readonly<Record<string, () => Promise<{ run: Program }>>>;
}

/** Verbs by name. The table has the line of each verb in the help, so that printing the list loads no verb. */
export type VerbTable = Readonly<Record<string, VerbEntry>>;
