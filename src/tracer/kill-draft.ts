import type { OomCandidatesRecord } from '../bpf/wire/layout.ts';
import { containersIn } from '../containers/container-path.ts';
import type { OpenEnvelope } from '../events/envelope.ts';
import type { DyingProcess } from '../linux/dying-process.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Candidate, OomKill, Victim } from '../model/oom-kill.ts';
import { decode, splitNul } from '../text/printable.ts';
import { candidatesOf, type KillFacts, rawOf } from './kill-facts.ts';
import { killMessage } from './message.ts';

/** The parts of an `oom.kill` event that are known at once and do not change while the event is completed. */
export interface KillContext extends Pick<OomKill, 'system' | 'lead_up'> {
  envelope: OpenEnvelope;
}

/**
 * An `oom.kill` event that is not complete yet: the facts of the kernel's record, to which facts from /proc and the
 * list of candidates are added. After `finish()` the event does not change.
 */
export class KillDraft {
  readonly facts: KillFacts;
  readonly #context: KillContext;
  #event: OomKill | undefined;

  /** @param facts the draft takes ownership and changes them */
  constructor(facts: KillFacts, context: KillContext) {
    this.facts = facts;
    this.#context = context;
  }

  /** Whether a fact about the victim is missing that /proc may still have. */
  get lacksVictimFacts(): boolean {
    return this.facts.missing.some((field) => field.startsWith('victim.'));
  }

  /** The paths of the cgroups whose owner (container, pod or unit) the event names. */
  get cgroupPaths(): string[] {
    const { victim, limit, candidates } = this.facts;
    const paths = [victim.cgroup, limit?.path, ...(candidates ?? []).map(({ cgroup }) => cgroup)];
    return paths.filter((path) => path != null);
  }

  /** Adds facts about the victim from /proc that the kernel's record lacks. */
  addFiles(files: DyingProcess): void {
    const { victim } = this.facts;
    // The pid may already belong to another process.
    const other =
      victim.start_ticks !== null && files.startTicks !== undefined && files.startTicks !== victim.start_ticks;
    if (this.#event || other) return;
    victim.comm ??= files.comm ?? null;
    victim.process_comm ??= files.comm ?? null;
    victim.ppid ??= files.ppid ?? null;
    victim.start_ticks ??= files.startTicks ?? null;
    victim.exe ??= files.exe ?? null;
    if (victim.cgroup === null && files.cgroup !== undefined) this.#addPath(files.cgroup);
    if (files.cmdline && (victim.cmdline === null || victim.cmdline_truncated)) addCmdline(victim, files.cmdline);
    this.facts.missing = this.facts.missing.filter((field) => isMissing(victim, field));
  }

  /** Adds the whole path of the victim's cgroup, and completes the paths of its ancestors with it. */
  #addPath(path: string): void {
    const { victim, cgroups, limit } = this.facts;
    // On cgroup v1 the file of an exiting process says "/" (kernel/cgroup/cgroup.c: proc_cgroup_show()).
    const known = cgroups[0]?.path.slice('/…'.length) ?? '';
    if (path === '/' || !path.endsWith(known)) return;
    victim.cgroup = path;
    const names = path.split('/');
    for (const [i, cgroup] of cgroups.entries()) {
      cgroup.path = names.slice(0, names.length - i).join('/');
      if (limit?.id === cgroup.id) limit.path = cgroup.path;
    }
    this.facts.missing = this.facts.missing.filter((field) => field !== 'limit.path' || limit?.path.startsWith('/…/'));
  }

  /**
   * @param pageBytes the size of a page
   * @param cgroupOf the path of a process's cgroup. null: it has exited
   */
  addCandidates(
    record: OomCandidatesRecord,
    pageBytes: number,
    cgroupOf: (process: Candidate) => string | null = () => null,
  ): void {
    if (this.#event) return;
    const { victim } = this.facts;
    const candidates = candidatesOf(record, pageBytes);
    for (const one of candidates) one.cgroup = one.pid === victim.pid ? victim.cgroup : cgroupOf(one);
    this.facts.candidates = candidates;
    this.facts.candidates_considered = record.considered;
  }

  /** @param ownerOf the container, pod and unit of a cgroup. @returns the event, frozen; the same one each time */
  finish(ownerOf: (path: string) => CgroupOwner): OomKill {
    this.#event ??= this.#make(ownerOf);
    return this.#event;
  }

  #make(ownerOf: (path: string) => CgroupOwner): OomKill {
    const { envelope, system, lead_up } = this.#context;
    const { victim, limit, missing } = this.facts;
    if (victim.cgroup !== null) {
      Object.assign(victim, ownerOf(victim.cgroup));
      const found = containersIn(victim.cgroup);
      const outer = found.findIndex(({ id }) => id === victim.container?.id);
      victim.inner_containers = found.slice(0, Math.max(0, outer));
    }
    if (limit) Object.assign(limit, ownerOf(limit.path));
    for (const one of this.facts.candidates ?? []) if (one.cgroup !== null) Object.assign(one, ownerOf(one.cgroup));
    return Object.freeze({
      ...envelope,
      message: killMessage(this.facts),
      type: 'oom.kill',
      ...this.facts,
      system,
      lead_up,
      enrichment: victim.start_ticks === null ? 'lost' : missing.length === 0 ? 'live' : 'partial',
    });
  }
}

function addCmdline(victim: Victim, cmdline: Buffer): void {
  const parts = splitNul(cmdline).map(decode);
  victim.cmdline = parts.map(({ text }) => text);
  victim.cmdline_truncated = false;
  if (parts.some(({ hex }) => hex !== undefined)) {
    victim.raw = { ...victim.raw, ...rawOf({ cmdline: cmdline.toString('hex') }) };
  }
}

function isMissing(victim: Victim, field: string): boolean {
  if (field === 'victim.cmdline') return victim.cmdline === null || victim.cmdline_truncated;
  if (field === 'victim.exe') return victim.exe === null;
  if (field === 'victim.cgroup') return victim.cgroup === null;
  return true;
}
