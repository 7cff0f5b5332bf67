import type { KillLayout } from '../../native/figures.ts';
import { CgroupLevel, KillFact, OomKillRecord, RecordKind, RehearsalRecord } from './layout.ts';

/** Where the addon finds the cgroup whose limit a kill has hit. */
export const killLayout: KillLayout = {
  killKind: RecordKind.RECORD_OOM_KILL,
  rehearsalKind: RecordKind.RECORD_REHEARSAL,
  rehearsed: RehearsalRecord.offset.records,
  facts: OomKillRecord.offset.facts,
  needed: KillFact.FACT_LIMIT | KillFact.FACT_CGROUPS,
  refused: KillFact.FACT_LEVELS_CUT,
  limit: OomKillRecord.offset.limit,
  levelsLength: OomKillRecord.offset.levels_length,
  levels: OomKillRecord.offset.levels,
  levelSize: CgroupLevel.size,
  levelId: CgroupLevel.offset.id,
  levelNameLength: CgroupLevel.offset.name_length,
};
