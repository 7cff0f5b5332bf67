import { alertTo, openSink, openTracer } from './dist/index.js';

const tracer = await openTracer();
const alerts = alertTo(
  tracer.events$,
  [
    await openSink({ sink: 'webhook', target: 'http://127.0.0.1:8080/hook', key: { env: 'HOOK_KEY' } }),
    { sink: { name: 'mine', deliver: async ({ title }) => ({ outcome: 'delivered', reply: title }) }, minimum: 'critical' },
  ],
  { onReport: ({ state, message }) => console.error(state, message) },
);
setTimeout(async () => { tracer.close(); await alerts.close(); console.error(JSON.stringify(alerts.counts)); }, 3000);
