/** Makes kills in cgroups with long and hostile names on this kernel, and prints the figures: node test/lab/paths.ts SEED COUNT */
import { hostileKills } from '../kernel/hostile-groups.ts';

const [seed, count] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(await hostileKills(seed ?? 1, count ?? 100)));
