import { resolve } from 'node:path';
import type { Backend } from '../backend/backend.js';
import type { BackendOptions } from '../backend/options.js';
import { memory } from '../drivers/memory.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';

/** What {@link openBackend} takes beside the URL, for what its query does not say. */
export interface OpenOptions extends BackendOptions {
  /** The extension of files; `'.bin'` by default. */
  readonly extension?: string | undefined;
}
export async function openBackend<V = Uint8Array>(place: string, options: OpenOptions = {}): Promise<Backend<V>> {
  if (place === 'memory:') return memory<V>(options).open();
  throw new InvalidArgumentError(`${show(place)} ${resolve('.')}`);
}
