/**
 * An HTTP server for bench:pressure-paths. For each alert that begins, it prints `alert`, the time of the event and the
 * time at which the request arrived, in nanoseconds of CLOCK_MONOTONIC.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const server = createServer(async (request, response) => {
  const atNs = process.hrtime.bigint();
  const body = JSON.parse(await text(request));
  response.end('ok');
  if (body.data.status === 'firing') process.stdout.write(`alert ${body.data.event.mono_ns} ${atNs}\n`);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
