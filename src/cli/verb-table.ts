/** All verbs, in the order in which the help lists them. A new verb needs one line here and one file in verbs/. */
import type { VerbTable } from './verb/verb.ts';

export const verbs: VerbTable = {
  trace: { about: 'report each OOM kill the moment it happens', load: () => import('./verbs/trace.ts') },
  pressure: {
    about: 'show which cgroups are short of memory, live',
    load: () => import('./verbs/pressure/pressure.ts'),
  },
  scores: { about: 'list the processes that would be killed next', load: () => import('./verbs/scores/scores.ts') },
  tree: {
    about: 'show the memory cgroups as a tree, and where memory is short',
    load: () => import('./verbs/tree/tree.ts'),
  },
  docker: {
    about: 'check containers, watch their OOM kills, advise limits',
    load: () => import('./verbs/docker/docker.ts'),
  },
  k8s: {
    about: 'say which OOM kills of pods are true, and set up the agent',
    load: () => import('./verbs/k8s/k8s.ts'),
  },
  explain: { about: 'explain the OOM kills in a kernel log', load: () => import('./verbs/explain/explain.ts') },
  history: {
    about: 'list past kills, pressure and decisions of the guard',
    load: () => import('./verbs/history/history.ts'),
  },
  web: { about: 'serve a page with the present and the past', load: () => import('./verbs/web/web.ts') },
  doctor: {
    about: 'check what works on this machine, and what is at risk',
    load: () => import('./verbs/doctor/doctor.ts'),
  },
  guard: {
    about: 'kill the right process before the kernel kills another',
    load: () => import('./verbs/guard/guard.ts'),
    instead: { '--as-earlyoom': () => import('./verbs/guard/as-earlyoom.ts') },
  },
  protect: {
    about: 'set oom_score_adj by profiles, and undo the changes',
    load: () => import('./verbs/protect/protect.ts'),
  },
  run: { about: 'trace, watch, alert and guard as a daemon', load: () => import('./verbs/run/run.ts') },
  metrics: {
    about: 'serve metrics to Prometheus; print its rules and a dashboard',
    load: () => import('./verbs/metrics/metrics.ts'),
  },
  alert: { about: 'send a test alert to a sink', load: () => import('./verbs/alert/alert.ts') },
  fleet: { about: 'many machines over NATS JetStream', load: () => import('./verbs/fleet/fleet.ts') },
  record: { about: "record the values that the guard's rules read", load: () => import('./verbs/record.ts') },
  replay: { about: "run the guard's rules over a recording", load: () => import('./verbs/replay.ts') },
  config: { about: 'check, print and import configurations', load: () => import('./verbs/config.ts') },
  systemd: { about: 'print, install or remove the systemd unit', load: () => import('./verbs/systemd/systemd.ts') },
  demo: { about: 'make a safe OOM kill, to try the other verbs', load: () => import('./verbs/demo/demo.ts') },
  schema: { about: 'print the JSON Schema of the events', load: () => import('./verbs/schema.ts') },
};
