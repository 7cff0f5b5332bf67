/**
 * Regular expressions whose matching time is linear in the length of the text. Any user can choose the name and the
 * command line of a process, and with backtracking, some texts would block the guard. This matcher does not backtrack:
 * it follows all alternatives in parallel (Thompson, 1968), and caches the sets of states, so that a character usually
 * costs one look-up.
 *
 * POSIX extended syntax, searched for anywhere: `. [] [^] [[:alpha:]] ^ $ | () (?:) * + ? {m,n}`, and `\d \w \s` with
 * their opposites. Back-references and look-around need backtracking and are refused.
 */

import type { CharacterTest } from './character-test.ts';
import { PatternError, type PatternNode, PatternParser } from './pattern-parser.ts';

export { PatternError };

/**
 * Limit of the states of one pattern. The part of a repetition such as `{3}` counts as many times as it is repeated.
 */
const MOST_STATES = 2000;
/** Limit of the number of cached positions. */
const MOST_CACHED = 256;

export class Pattern {
  readonly source: string;
  readonly #program: Instruction[] = [];
  readonly #entry: number;
  #cached = new Map<string, Position>();
  readonly #first: Position;

  /** @throws PatternError */
  constructor(source: string) {
    this.source = source;
    const tree = new PatternParser(source).parse();
    this.#entry = this.#emit(tree, this.#push({ op: 'match' }));
    this.#first = this.#position([this.#entry], true);
  }

  /** Number of compiled instructions. Memory and the time to compile are proportional to this number. */
  get states(): number {
    return this.#program.length;
  }

  /**
   * The length of the shortest text that the pattern may match. Infinity: it matches no text, as `a^b`, because `^` and
   * `$` are in the wrong places. A set of characters counts as if it had at least one.
   */
  get leastLength(): number {
    const seen = new Set<string>();
    let now = [{ at: this.#entry, inside: false, ended: false }];
    for (let length = 0, next: typeof now = []; now.length > 0; length++, now = next, next = []) {
      for (const state of now) {
        const { at, inside, ended } = state;
        const key = `${at} ${inside} ${ended}`;
        const instruction = this.#program[at];
        if (seen.has(key) || !instruction) continue;
        seen.add(key);
        if (instruction.op === 'match') return length;
        if (instruction.op === 'split') now.push({ ...state, at: instruction.a }, { ...state, at: instruction.b });
        else if (instruction.op === 'edge' && instruction.start && !inside)
          now.push({ ...state, at: instruction.next });
        else if (instruction.op === 'edge' && !instruction.start)
          now.push({ at: instruction.next, inside, ended: true });
        else if (instruction.op === 'one' && !ended) next.push({ at: instruction.next, inside: true, ended });
      }
      if (length === 0) next.push({ at: this.#entry, inside: true, ended: false }); // the match begins later
    }
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Whether the pattern is anywhere in `text`. The time is proportional to the length of the text, whatever both
   * contain.
   */
  test(text: string): boolean {
    let position = this.#first;
    for (const character of text) {
      if (position.matched) return true;
      const code = character.codePointAt(0) ?? 0;
      let next = position.next.get(code);
      if (!next) {
        next = this.#step(position, code);
        if (position.next.size < MOST_CACHED) position.next.set(code, next);
      }
      position = next;
    }
    position.matchedAtEnd ??= this.#close(position.seeds, position.atStart, true).matched;
    return position.matched || position.matchedAtEnd;
  }

  #step({ open }: Position, code: number): Position {
    const seeds = new Set([this.#entry]);
    for (const at of open) {
      const instruction = this.#program[at];
      if (instruction?.op === 'one' && instruction.test(code)) seeds.add(instruction.next);
    }
    return this.#position(
      [...seeds].sort((a, b) => a - b),
      false,
    );
  }

  #position(seeds: number[], atStart: boolean): Position {
    const key = `${atStart}${seeds}`;
    let position = this.#cached.get(key);
    if (!position) {
      if (this.#cached.size >= MOST_CACHED) this.#cached = new Map();
      position = { seeds, atStart, ...this.#close(seeds, atStart, false), next: new Map() };
      this.#cached.set(key, position);
    }
    return position;
  }

  /** Finds all instructions that can be reached from `seeds` without reading a character. */
  #close(seeds: number[], atStart: boolean, atEnd: boolean): { open: number[]; matched: boolean } {
    const seen = new Set(seeds);
    const open: number[] = [];
    let matched = false;
    for (const at of seen) {
      const instruction = this.#program[at];
      if (instruction?.op === 'one') open.push(at);
      else if (instruction?.op === 'match') matched = true;
      else if (instruction?.op === 'split') seen.add(instruction.a).add(instruction.b);
      else if (instruction?.op === 'edge' && (instruction.start ? atStart : atEnd)) seen.add(instruction.next);
    }
    return { open, matched };
  }

  /** @returns the instruction at which `node` begins, when `next` follows it */
  #emit(node: PatternNode, next: number): number {
    switch (node.kind) {
      case 'one':
        return this.#push({ op: 'one', test: node.test, next });
      case 'edge':
        return this.#push({ op: 'edge', start: node.start, next });
      case 'sequence':
        return node.parts.reduceRight((after, part) => this.#emit(part, after), next);
      case 'either': {
        const [first, ...others] = node.parts.map((part) => this.#emit(part, next));
        return others.reduce((a, b) => this.#push({ op: 'split', a, b }), first ?? next);
      }
      case 'repeat': {
        let after = next;
        if (node.most === Number.POSITIVE_INFINITY) {
          const loop: Split = { op: 'split', a: 0, b: next };
          after = this.#push(loop);
          loop.a = this.#emit(node.part, after);
        } else {
          for (let i = node.least; i < node.most; i++) {
            after = this.#push({ op: 'split', a: this.#emit(node.part, after), b: next });
          }
        }
        for (let i = 0; i < node.least; i++) after = this.#emit(node.part, after);
        return after;
      }
    }
  }

  #push(instruction: Instruction): number {
    if (this.#program.length >= MOST_STATES) {
      throw new PatternError(`expected a pattern of at most ${MOST_STATES} states, this one has more`, 0);
    }
    return this.#program.push(instruction) - 1;
  }
}

type Split = { op: 'split'; a: number; b: number };
type Instruction =
  | { op: 'one'; test: CharacterTest; next: number }
  | { op: 'edge'; start: boolean; next: number }
  | Split
  | { op: 'match' };

/** The set of states that the matcher can be in after the text so far. */
interface Position {
  seeds: number[];
  atStart: boolean;
  /** Instructions that read a character. */
  open: number[];
  matched: boolean;
  matchedAtEnd?: boolean;
  next: Map<number, Position>;
}
