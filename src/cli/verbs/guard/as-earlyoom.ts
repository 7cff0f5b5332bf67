/** `oomscope guard --as-earlyoom`: a unit of earlyoom needs only another program in its ExecStart=. */
export { watchAsEarlyoom as run } from '../../../earlyoom/watch.ts';
