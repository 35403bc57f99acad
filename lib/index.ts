export { Backend, type Composition } from './backend/backend.js';
export { type Atomicity, atomicAt, type Capabilities, capabilities } from './backend/capabilities.js';
export type {
  Awaitable,
  Change,
  Condition,
  Counter,
  Driver,
  Entry,
  KeyChange,
  ListedEntry,
  Page,
  Past,
  Revision,
  ScanRequest,
  WatchRequest,
} from './backend/driver.js';
export type { Clock, Duration } from './backend/duration.js';
export type {
  BackendOptions,
  ClearAllOptions,
  CompactOptions,
  DeleteOptions,
  ExpiryOptions,
  GetOptions,
  IncrementOptions,
  Input,
  ListOptions,
  OnCorrupt,
  PageOptions,
  PrefixOptions,
  SetManyOptions,
  SetOptions,
  SignalOption,
} from './backend/options.js';
export type { Watch } from './backend/watch.js';
export { Cache } from './cache/cache.js';
export type {
  CacheOptions,
  CacheStatistics,
  ClearOptions,
  Compute,
  ComputeContext,
  Fetched,
  GetOrSetOptions,
  OnBackendError,
  PutOptions,
  StaleOptions,
  StaleValue,
} from './cache/options.js';
export { brotli } from './codecs/brotli.js';
export type { Codec, SynchronousCodec } from './codecs/codec.js';
export type { CompressionOptions } from './codecs/compression.js';
export {
  type DeriveKeyOptions,
  deriveKey,
  type EncryptedOptions,
  type EncryptionKey,
  encrypted,
} from './codecs/encrypted.js';
export { gzip } from './codecs/gzip.js';
export { type JsonOptions, json } from './codecs/json.js';
export { msgpack } from './codecs/msgpack.js';
export { type TextOptions, text } from './codecs/text.js';
export { v8 } from './codecs/v8.js';
export { zstd } from './codecs/zstd.js';
export { type FilesOptions, type FilesWatchOptions, files } from './drivers/files/files.js';
export { type MemoryOptions, memory } from './drivers/memory.js';
export * from './errors.js';
export { type ClassDecorator, StoredIn } from './model/declare.js';
export { Field, type FieldDecorator, type FieldOptions, type FieldSpecification, SessionField } from './model/field.js';
export type { Followed, Following } from './model/following.js';
export type { FormerModels, FormerObjects } from './model/former.js';
export type { Dropped } from './model/frozen.js';
export type { FindQuery, Listing } from './model/listing.js';
export { Manager, type SaveAllOptions } from './model/manager.js';
export type { Migrations } from './model/migrations.js';
export type { ModelOptions } from './model/model.js';
export { Ref } from './model/reference.js';
export type { ReloadOptions, ReloadReport } from './model/reload.js';
export type { SaveOptions } from './model/saving.js';
export type { Serialised } from './model/serialised.js';
export {
  type RegisterOptions,
  Service,
  type ServiceOptions,
  type TakeOverOptions,
  type TakeOverReport,
} from './model/service.js';
export { Store, type Values } from './model/store.js';
export { TempStore, TempStoreMixin } from './model/temp-store.js';
export { FieldType, type Purpose } from './model/types/field-type.js';
export { types } from './model/types/index.js';
export { type OpenOptions, openBackend } from './registry/open.js';
export { type BackendFactory, BackendProvider, provider } from './registry/provider.js';
export { BackendRegistry, type RegistryOptions } from './registry/registry.js';
export { type CircuitBreakerOptions, type CircuitState, circuitBreaker } from './wrappers/circuit-breaker.js';
export { encoded } from './wrappers/encoded.js';
export { type FallbackOptions, fallback } from './wrappers/fallback.js';
export { type LruOptions, lru } from './wrappers/lru/lru.js';
export { type MapKeysOptions, mapKeys } from './wrappers/map-keys.js';
export {
  type ObservedOptions,
  type OperationMessage,
  type OperationStatistics,
  observed,
  type SpanLike,
  Statistics,
  type TracerLike,
} from './wrappers/observed.js';
export { type RandomChoiceOptions, randomChoice } from './wrappers/random-choice.js';
export { type ReadOnlyOptions, readOnly } from './wrappers/read-only.js';
export { type RetryOptions, retry } from './wrappers/retry.js';
export { type Shards, sharded } from './wrappers/sharded.js';
export type { OnFailure } from './wrappers/tiered/tier.js';
export { type TieredOptions, type TierOptions, tiered } from './wrappers/tiered/tiered.js';
export { timeout } from './wrappers/timeout.js';
export { type VolatileOptions, volatile } from './wrappers/volatile.js';
export { writeOnly } from './wrappers/write-only.js';
