// Begins with hot-hook, which has to be there before any module that it is to know.
import { hot } from 'hot-hook';

await hot.init({ root: import.meta.filename, boundaries: ['./greeter.mjs'] });
await import('./program.mjs');
