export { Backend, type Composition } from './backend/backend.js';
export { type Atomicity, type Capabilities, capabilities } from './backend/capabilities.js';
export type {
  Awaitable,
  Change,
  Condition,
  Counter,
  Driver,
  Entry,
  ListedEntry,
  Page,
  ScanRequest,
} from './backend/driver.js';
export type { Clock, Duration } from './backend/duration.js';
export type {
  BackendOptions,
  DeleteOptions,
  ExpiryOptions,
  GetOptions,
  IncrementOptions,
  Input,
  ListOptions,
  OnCorrupt,
  PageOptions,
  PrefixOptions,
  SetOptions,
  SignalOption,
} from './backend/options.js';
export type { Codec } from './codecs/codec.js';
export { type JsonOptions, json } from './codecs/json.js';
export { type FilesOptions, files } from './drivers/files/files.js';
export { type MemoryOptions, memory } from './drivers/memory.js';
export * from './errors.js';
export { encoded } from './wrappers/encoded.js';
