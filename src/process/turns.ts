/**
 * Turns: of several guards on one machine, only one at a time acts at a place or on a victim, so that one shortage does
 * not cost two processes. A turn is a locked file, which the kernel unlocks when its process is killed.
 */
import { closeSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf, lockedFileIfFree } from './locked-file.ts';

export interface Turn {
  /** Idempotent. */
  release: () => void;
}

/** Another process has the turn. `pid` undefined: unknown. */
export interface Taken {
  pid: number | undefined;
}

/** A turn that no other guard can want. */
export const FREE: Turn = { release: () => {} };

export class Turns {
  readonly #directory: string | undefined;

  /** @param directory shared by the guards of this user. undefined: there is none, and every turn is free */
  constructor(directory?: string) {
    this.#directory = directory;
  }

  /**
   * Takes the turn for a place or a victim. Never throws: if the file cannot be locked because descriptors or memory
   * are short, the turn counts as free, because a guard must act then.
   */
  take(what: string): Turn | Taken {
    return this.#directory === undefined ? FREE : takeFile(join(this.#directory, `turn-${hash(what)}`));
  }

  /** Removes the files of guards that were killed during their turn. Never throws. */
  sweep(): void {
    if (this.#directory === undefined) return;
    try {
      for (const name of readdirSync(this.#directory)) {
        const turn = FILE.test(name) ? takeFile(join(this.#directory, name)) : FREE;
        if (isTurn(turn)) turn.release();
      }
    } catch {
      // The directory cannot be read: the files stay.
    }
  }

  /** Takes all of the turns, or none of them, as `take()` takes one. */
  takeAll(...all: readonly string[]): Turn | Taken {
    const turns: Turn[] = [];
    const release = () => {
      for (const turn of turns) turn.release();
    };
    for (const what of all) {
      const turn = this.take(what);
      if (!isTurn(turn)) {
        release();
        return turn;
      }
      turns.push(turn);
    }
    return { release };
  }
}

const FILE = /^turn-[0-9a-f]{16}$/;

function takeFile(path: string): Turn | Taken {
  try {
    const fd = lockedFileIfFree(path);
    if (fd === undefined) return { pid: holderOf(path) };
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        rmSync(path, { force: true });
        closeSync(fd);
      },
    };
  } catch {
    return FREE;
  }
}

export const isTurn = (given: Turn | Taken): given is Turn => 'release' in given;

/** FNV-1a, 64 bits. If two places had the same hash, one guard would wait for the other without need. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  return value.toString(16).padStart(16, '0');
}
