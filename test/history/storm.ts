/** Takes 2,000 kills a second, and says each 100 ms how many it had taken one second before. Ends by SIGKILL. */
import { HistoryRecorder } from '../../src/history/recorder.ts';
import { aKill, aReaped } from './made-events.ts';

const [path = ''] = process.argv.slice(2);
const options = { path, maxAgeMs: 86_400_000, maxBytes: 2 ** 28, tell: console.error, onLost: console.error };
const recorder = new HistoryRecorder(options);
await recorder.opened;
let taken = 0;
const before: number[] = [];
setInterval(() => {
  for (let i = 0; i < 100; i++) {
    const kill = aKill();
    recorder.take(kill);
    recorder.take(aReaped(kill));
    taken++;
  }
  before.push(2 * taken);
  console.log(before.length > 10 ? before.at(-11) : 0);
}, 100);
