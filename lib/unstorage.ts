export {
  type UnstorageCallOptions,
  type UnstorageDriver,
  type UnstorageDriverOptions,
  type UnstorageMeta,
  type UnstorageValue,
  unstorageDriver,
} from './web/adapters/unstorage.js';
export type { BackendSource } from './web/source.js';
