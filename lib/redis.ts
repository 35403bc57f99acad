export { type RedisClient, type RedisOptions, redis } from './drivers/redis/redis.js';
