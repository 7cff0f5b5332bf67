/**
 * Reads kernel logs and explains their OOM reports. Works on any machine, without privileges. It needs no native code.
 */
export type * from '../model/oom-comparison.ts';
export type * from '../model/oom-other-kill.ts';
export type * from '../model/oom-report.ts';
export type { Clock } from './input/stamp.ts';
export { Patterns } from './patterns.ts';
export { type ReadOptions, type ReadResult, readJournal, readKmsg, readLog } from './read.ts';
export { readText, TextReader, type TextResult } from './read-text.ts';
export { compare } from './verdict/comparison.ts';
