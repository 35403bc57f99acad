export { type S3ClientLike, type S3Credentials, type S3Options, s3 } from './drivers/s3/s3.js';
