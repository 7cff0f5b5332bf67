import { expect, test } from 'vitest';
import { zoneNote } from '../../src/cli/verb/zone-note.ts';

/** @param minutes as Date.getTimezoneOffset() returns them: positive west of Greenwich */
test.each([
  [0, ''],
  [-60, '+01:00'],
  [-330, '+05:30'],
  [210, '-03:30'],
  [480, '-08:00'],
])('a zone of %i minutes is named beside local times', (minutes, zone) => {
  if (zone === '') expect(zoneNote(minutes)).toBe('');
  else expect(zoneNote(minutes).replace('−', '-')).toContain(zone);
});
