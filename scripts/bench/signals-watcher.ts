/** Watches fatal signals for bench:signals, until its standard input ends. */
import { DeathStream } from '../../dist/killers/death-stream.js';

const [deaths] = process.argv.slice(2);
let signals = 0;
const stream = new DeathStream({
  deaths: deaths as 'sent',
  onSignal: () => void signals++,
  onDeath: () => {},
  onCounters: () => {},
  onError: (error) => {
    throw error;
  },
});
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => {
  stream.close();
  process.stdout.write(`signals ${signals}\n`);
});
