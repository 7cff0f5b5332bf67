/** Node's own way to read lines: how many of a file have "Killed process" in them. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

let count = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2] ?? '') })) {
  if (line.includes('Killed process')) count++;
}
console.log(count);
