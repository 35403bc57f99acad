import { bytesOf, type Contents, copyOf, resize, SECTOR, sectorsThatDiffer, writeAt } from './contents.js';
import type { Random } from './random.js';

/** What a power cut can make of writes that were not synced. */
const FATES = ['kept', 'dropped', 'zeros', 'prefix', 'hole', 'mixed'] as const;

/**
 * What is left of a file after a power cut.
 * @param versions what it held when it was last synced, and after each write since
 */
export function torn(versions: readonly Contents[], random: Random): Contents {
  const oldest = versions[0] as Contents;
  const newest = versions[versions.length - 1] as Contents;
  if (versions.length === 1) return oldest;
  switch (random.pick(FATES)) {
    case 'kept':
      return newest;
    case 'dropped':
      return oldest;
    case 'zeros': {
      // The file system has lengthened the file, but what was to stand there never came.
      const left = copyOf(oldest);
      resize(left, newest.size);
      return left;
    }
    case 'prefix': {
      const sectors = sectorsThatDiffer(oldest, newest);
      const kept = random.below(sectors.length + 1);
      const left = mixed(newest, sectors.slice(kept), () => oldest);
      if (newest.size > oldest.size && random.chance(0.5)) resize(left, random.between(oldest.size, newest.size));
      return left;
    }
    case 'hole': {
      const sectors = sectorsThatDiffer(oldest, newest);
      const from = random.below(sectors.length + 1);
      return mixed(newest, sectors.slice(from, from + 1 + random.below(8)), () => oldest);
    }
    case 'mixed': {
      const sized = random.pick(versions);
      return mixed(sized, sectorsThatDiffer(oldest, newest), () => random.pick(versions));
    }
  }
}

/** Takes some sectors from other contents. */
function mixed(contents: Contents, sectors: readonly number[], from: () => Contents): Contents {
  const left = copyOf(contents);
  for (const sector of sectors) {
    const position = sector * SECTOR;
    const end = Math.min(position + SECTOR, contents.size);
    if (position < end) writeAt(left, position, bytesOf(from(), position, end));
  }
  return left;
}
