export {
  type DynamodbClientLike,
  type DynamodbCredentials,
  type DynamodbOptions,
  dynamodb,
} from './drivers/dynamodb/dynamodb.js';
