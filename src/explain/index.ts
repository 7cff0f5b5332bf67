/**
 * Kernel logs explained, for programs: `import { readLog } from 'oomscope/explain'`. Needs no kernel and no native code.
 */
export type * from '../model/oom-report.ts';
export { Assembler } from './input/assemble.ts';
export { Scan } from './input/scan.ts';
export { Patterns } from './patterns.ts';
export { type ReadOptions, type ReadResult, readJournal, readKmsg, readLog } from './read.ts';
export { type ReportContext, toReport } from './report.ts';
