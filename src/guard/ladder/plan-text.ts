import type { Plan } from './announce.ts';

/** The plan as JSON, as the programs of `exec` and `tell` get it. */
export function planText({ id, fired, victim }: Plan): string {
  return JSON.stringify({ plan_id: id, rule: fired.rule.name, because: fired.readings, victim });
}
