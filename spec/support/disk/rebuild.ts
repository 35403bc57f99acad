import { written } from './contents.js';
import { type Disk, inodeOf, ROOT } from './disk.js';
import type { Disguise } from './identity.js';
import { realFs } from './real.js';

/** Makes a folder of a disk, in place of what is there; answers what stands for what. */
export function rebuild(disk: Disk, root: string): Map<bigint, Disguise> {
  const made = new Map<number, string>();
  const disguises = new Map<bigint, Disguise>();
  realFs.rmSync(root, { recursive: true, force: true });
  const fill = (id: number, path: string) => {
    realFs.mkdirSync(path);
    for (const [name, child] of inodeOf(disk, id).entries) {
      const inode = inodeOf(disk, child);
      const at = `${path}/${name}`;
      const known = made.get(child);
      if (inode.kind === 'folder') fill(child, at);
      else if (known !== undefined) realFs.linkSync(known, at);
      else {
        const { ino, ctimeNs } = writeOut(disk, child, at);
        disguises.set(ino, {
          number: inode.number,
          born: inode.born,
          attributes: inode.attributes,
          standsSince: ctimeNs,
        });
        made.set(child, at);
      }
    }
  };
  fill(ROOT, root);
  return disguises;
}

function writeOut(disk: Disk, id: number, path: string) {
  const { contents, attributes } = inodeOf(disk, id);
  const descriptor = realFs.openSync(path, 'wx');
  try {
    for (const [position, bytes] of written(contents)) realFs.writeSync(descriptor, bytes, 0, bytes.length, position);
    // What is left out is zeros.
    realFs.ftruncateSync(descriptor, contents.size);
    realFs.fchmodSync(descriptor, attributes.mode);
    const time = Number(attributes.modified) / 1e9;
    realFs.futimesSync(descriptor, time, time);
    return realFs.fstatSync(descriptor, { bigint: true });
  } finally {
    realFs.closeSync(descriptor);
  }
}
