export { type MongoClientLike, type MongodbOptions, mongodb } from './drivers/mongodb/mongodb.js';
