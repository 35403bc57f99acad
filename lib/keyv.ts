export { KeyvAdapter, type KeyvAdapterOptions, type KeyvEntry } from './web/adapters/keyv.js';
export type { BackendSource } from './web/source.js';
