import { type Backend, encoded, type FilesOptions, files, json } from 'keepsake';
import { contract } from 'keepsake/testing';
import { TestClock } from '../../support/clock.js';
import { Folders } from '../../support/folders.js';

/** Holds a backend over a folder to the contract. */
function holds<V>(
  title: string,
  make: (folder: string, clock: () => number) => Backend<V>,
  many = 2500,
  alone = false,
): void {
  describe(title, () => {
    const clock = new TestClock();
    const folders = new Folders();
    let folder: string;
    after(() => folders.clearAway());
    const reopen = () => make(folder, clock.now);
    const open = () => {
      folder = folders.make();
      return reopen();
    };
    contract({ describe, it, clock, open, reopen, many, alone });
  });
}

const opening = (options: FilesOptions) => (folder: string, clock: () => number) =>
  files(folder, { ...options, clock });

// In the tree layout keys are paths, so most that the contract tries are refused there.
holds("files with durability 'none'", opening({ durability: 'none' }));
holds("files with durability 'file'", opening({ durability: 'file' }), 300);
holds(
  "files with durability 'journal'",
  opening({ durability: 'journal', segmentSize: 2 ** 16, lockTimeout: 0 }),
  1500,
  true,
);
holds('a shared folder', opening({ durability: 'none', shared: true }), 300);
holds('files of another extension', opening({ durability: 'none', extension: '.bin' }), 300);
holds('files of json', (folder, clock) => encoded(files(folder, { durability: 'none', clock }), json()), 300);
