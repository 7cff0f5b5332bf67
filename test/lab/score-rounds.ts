/** Makes N OOMs in a guest and prints, as JSON Lines, each kill and the ranking recorded before it. */
import { scoreRound } from '../kernel/score-round.ts';
import { seeded } from '../seeded.ts';

const random = seeded(Number(process.argv[3] ?? 1));
for (let round = 0; round < Number(process.argv[2] ?? 50); round++) {
  process.stdout.write(`${JSON.stringify(await scoreRound(random))}\n`);
}
