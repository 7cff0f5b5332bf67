import type { OomReport } from '../model/oom-report.ts';
import type { Summary } from './text.ts';
export const markdown = (_reports: OomReport[], _summary: Summary) => '';
