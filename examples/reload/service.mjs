import { Service } from 'keepsake';

/** Not reloaded: it lives as long as the process. */
export const service = new Service({ backend: 'memory:' });
