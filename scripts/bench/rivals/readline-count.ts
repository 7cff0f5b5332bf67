/** Node's readline: counts the lines of a file that contain "Killed process". */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

let count = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2] ?? '') })) {
  if (line.includes('Killed process')) count++;
}
console.log(count);
