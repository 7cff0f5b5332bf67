/** Counts since the start. */
export interface FleetCounts {
  /** Events that were emitted. */
  events: number;
  /** Events that came a second time and were not emitted again. */
  duplicates: number;
  /** Events that came after the wait for them was over, and so after later ones of their process. */
  late: number;
  /** Events that are missing, by the numbers of their publishers. */
  missing: number;
  /** Messages that are no events of oomscope, and were skipped. */
  malformed: number;
  /** Messages that the server discarded before this reader could read them. */
  discarded: number;
}
