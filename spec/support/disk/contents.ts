/** The unit in which contents are kept, in bytes. */
const PAGE = 4096;
const NOTHING = new Uint8Array(PAGE);

/** The unit that a disk writes whole or not at all, in bytes. */
export const SECTOR = 512;

/** What a file holds: plain data, so that it can be sent to a worker. A page that is missing is zeros; one that is there is never changed. */
export interface Contents {
  size: number;
  readonly pages: Map<number, Uint8Array>;
}

export function noContents(): Contents {
  return { size: 0, pages: new Map() };
}

export function copyOf({ size, pages }: Contents): Contents {
  return { size, pages: new Map(pages) };
}

/** Writes, and grows the file if need be. */
export function writeAt(contents: Contents, position: number, bytes: Uint8Array): void {
  const end = position + bytes.length;
  for (let at = position; at < end; ) {
    const index = Math.floor(at / PAGE);
    const from = at - index * PAGE;
    const part = bytes.subarray(at - position, Math.min(at - position + PAGE - from, bytes.length));
    put(contents, index, from, part);
    at += part.length;
  }
  contents.size = Math.max(contents.size, end);
}

/** Cuts the file, or lengthens it with zeros. */
export function resize(contents: Contents, size: number): void {
  if (size < contents.size) {
    const last = Math.floor(size / PAGE);
    for (const index of contents.pages.keys()) if (index > last) contents.pages.delete(index);
    put(contents, last, size - last * PAGE, new Uint8Array(PAGE - (size - last * PAGE)));
  }
  contents.size = size;
}

/** The bytes from `from` up to, but not, `to`, which may lie behind the end: there are zeros. */
export function bytesOf(contents: Contents, from = 0, to = contents.size): Uint8Array {
  const bytes = new Uint8Array(to - from);
  for (let at = from; at < to; ) {
    const index = Math.floor(at / PAGE);
    const end = Math.min((index + 1) * PAGE, to);
    const page = contents.pages.get(index);
    if (page !== undefined) bytes.set(page.subarray(at - index * PAGE, end - index * PAGE), at - from);
    at = end;
  }
  return bytes;
}

/** The sectors in which two contents may differ. */
export function sectorsThatDiffer(one: Contents, other: Contents): number[] {
  const sectors: number[] = [];
  for (const index of new Set([...one.pages.keys(), ...other.pages.keys()])) {
    if (one.pages.get(index) === other.pages.get(index)) continue;
    for (let sector = 0; sector < PAGE / SECTOR; sector++) sectors.push((index * PAGE) / SECTOR + sector);
  }
  return sectors.sort((a, b) => a - b);
}

/** The pages that are not zeros, with where they start, cut at the end of the file. */
export function* written(contents: Contents): Generator<[position: number, bytes: Uint8Array], void, undefined> {
  for (const [index, page] of contents.pages) {
    const position = index * PAGE;
    if (position < contents.size) yield [position, page.subarray(0, contents.size - position)];
  }
}

function put(contents: Contents, index: number, from: number, part: Uint8Array): void {
  const before = contents.pages.get(index);
  // Files are pre-allocated with megabytes of zeros.
  if (isZeros(part) && (before === undefined || part.length === PAGE)) {
    contents.pages.delete(index);
    return;
  }
  const page = new Uint8Array(PAGE);
  if (before !== undefined) page.set(before);
  page.set(part, from);
  contents.pages.set(index, page);
}

function isZeros(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, NOTHING.subarray(0, bytes.length)) === 0;
}
