export { type MemcachedOptions, memcached } from './drivers/memcached/memcached.js';
