import { createRequire } from 'node:module';

// Serves as DynamoDB on a port, with its tables in a folder. Its own program cannot be told how long a table takes to be made.
const dynalite = createRequire(import.meta.url)('dynalite') as (options: object) => {
  listen(port: number, host: string): void;
};
const [port = '0', path = ''] = process.argv.slice(2);
dynalite({ path, createTableMs: 20, deleteTableMs: 0 }).listen(Number(port), '127.0.0.1');
