import type { VerbData } from './help.ts';

/** What a word on the command line runs. */
export interface Verb {
  /** Its actions, where it is a group of them. */
  verbs?: VerbTable;
  /** @param name as typed behind `oomscope`, such as "docker check" @param about its line in the list of verbs */
  describe(name: string, about: string): VerbData;
  /** @returns the exit code. @throws OomscopeError */
  run(name: string, about: string, argv: string[]): Promise<number>;
}

/** Verbs by name. What a list says of a verb stands here, so that the list loads none of them. */
export type VerbTable = Readonly<Record<string, { about: string; load: () => Promise<{ verb: Verb }> }>>;
