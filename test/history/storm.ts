/** Takes 400 events a second, and says each 100 ms how many of them are on the disk. Ends by SIGKILL. */
import { HistoryRecorder } from '../../src/history/recorder.ts';
import { aKill, aReaped } from './made-events.ts';

const [path = ''] = process.argv.slice(2);
let lost = 0;
const onLost = (counts: Record<string, number>) => {
  for (const each of Object.values(counts)) lost += each;
};
const options = { path, maxAgeMs: 86_400_000, maxBytes: 2 ** 28, tell: console.error, onLost };
const recorder = new HistoryRecorder(options);
await recorder.opened;
let taken = 0;
setInterval(() => {
  for (let i = 0; i < 20; i++) {
    const kill = aKill();
    recorder.take(kill);
    recorder.take(aReaped(kill));
    taken += 2;
  }
  console.log(taken - recorder.waiting - lost);
}, 100);
