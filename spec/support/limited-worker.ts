import { redis } from 'keepsake/redis';
import { limitedApps } from './limited-apps.js';

// Serves an application with a limit of 100 that is counted in Redis, beside others, until its input ends.
const [url = '', namespace = '', name = ''] = process.argv.slice(2);
const backend = redis(url, { namespace });
const app = limitedApps.find((one) => one.name === name);
const site = await app?.start(backend, { limit: 100, window: 600_000 });
console.log(site?.url);
process.stdin.resume();
process.stdin.once('end', () => process.exit());
