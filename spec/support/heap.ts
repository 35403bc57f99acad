import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** The bytes of the heap that are in use, after its garbage was collected. */
export function heapInUse(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Goes through what is listed, and expects that the heap does not grow with it after the first tenth; answers how many there were. */
export async function expectFlat(listed: AsyncIterable<unknown>, count: number): Promise<number> {
  let met = 0;
  let before = 0;
  for await (const _ of listed) {
    met++;
    if (met === Math.round(count / 10)) before = heapInUse();
  }
  // An array of the keys alone would take 16 bytes for each and more.
  expect((heapInUse() - before) / count, 'bytes of the heap for each').to.be.lessThan(12);
  return met;
}
