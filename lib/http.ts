export { type HttpOptions, http } from './drivers/http/http.js';
