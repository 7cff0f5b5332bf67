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

/** Verbs by name. The table has the line of each verb in the help, so that printing the list loads no verb. */
export type VerbTable = Readonly<Record<string, { about: string; load: () => Promise<{ verb: Verb }> }>>;
