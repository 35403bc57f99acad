import { createRequire } from 'node:module';
import { fromPlain, toPlain } from '../codecs/plain.js';

type Class = new () => object;

/** The parts of class-transformer that are called here. */
interface Transformer {
  instanceToPlain(value: object): unknown;
  plainToInstance(target: Class, plain: unknown): object;
}

/** What class-transformer's decorators wrote down, by class. */
type Metadata = Record<
  '_typeMetadatas' | '_exposeMetadatas' | '_excludeMetadatas' | '_transformMetadatas',
  Map<unknown, unknown>
>;

/**
 * How class-transformer writes and reads a class that carries its decorators (`@Type`, `@Expose`, `@Exclude`, `@Transform`); `undefined` for any
 * other class. class-transformer is loaded here, at the first class that might need it.
 */
export function transformerFor(
  target: Class,
): { encode(value: object): unknown; decode(form: object): object } | undefined {
  const require = createRequire(import.meta.url);
  const transformer = require('class-transformer') as Transformer;
  const { defaultMetadataStorage } = require('class-transformer/cjs/storage') as { defaultMetadataStorage: Metadata };
  if (!isDecorated(target, defaultMetadataStorage)) return undefined;
  return {
    // What its decorators give must still be JSON, so that nothing is lost in the file.
    encode: (value) => toPlain(transformer.instanceToPlain(value), { tagged: true }),
    decode: (form) => transformer.plainToInstance(target, fromPlain(form)),
  };
}

function isDecorated(target: Class, metadata: Metadata): boolean {
  const tables = [
    metadata._typeMetadatas,
    metadata._exposeMetadatas,
    metadata._excludeMetadatas,
    metadata._transformMetadatas,
  ];
  for (
    let one: unknown = target;
    typeof one === 'function' && one !== Function.prototype;
    one = Object.getPrototypeOf(one)
  ) {
    if (tables.some((table) => table?.has(one))) return true;
  }
  return false;
}
