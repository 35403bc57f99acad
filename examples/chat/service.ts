import { Service } from 'keepsake';

/** Where accounts and rooms are kept: one readable file each. */
export const service = new Service({ backend: process.env.CHAT_DATA ?? 'data/chat', name: 'chat' });
