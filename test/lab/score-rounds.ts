/** In a guest: so many OOMs, each with the order that was said before it, as JSON Lines. */
import { scoreRound, seeded } from '../kernel/score-round.ts';

const random = seeded(Number(process.argv[3] ?? 1));
for (let round = 0; round < Number(process.argv[2] ?? 50); round++) {
  process.stdout.write(`${JSON.stringify(await scoreRound(random))}\n`);
}
