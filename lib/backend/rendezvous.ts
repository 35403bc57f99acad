import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * One of those that keys are spread over, by rendezvous hashing (Thaler and Ravishankar): which of them has a key depends on the key and
 * their names alone, not on their order; one that is added to n others takes 1/(n + 1) of the keys of each.
 */
export class Rendezvous {
  readonly name: string;
  /** Where keys lie is part of what is stored: neither this nor `rank` may ever change. */
  readonly #seed: number;

  constructor(name: string) {
    this.name = name;
    this.#seed = createHash('sha256').update(name).digest().readInt32LE();
  }

  /** Who ranks highest for the digest of a key has the key: the finaliser of MurmurHash3 (Appleby) over both. */
  rank(digest: number): number {
    let mixed = digest ^ this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  }
}

/**
 * Who has a key.
 * @param members at least one, in the order of their names: of equals the first has it
 */
export function ownerOf<T extends Rendezvous>(members: readonly T[], key: string): T {
  const first = members[0] as T;
  if (members.length === 1) return first;
  const digest = crc32(key) | 0;
  let best = first;
  let highest = first.rank(digest);
  for (let at = 1; at < members.length; at++) {
    const member = members[at] as T;
    const rank = member.rank(digest);
    if (rank <= highest) continue;
    best = member;
    highest = rank;
  }
  return best;
}
