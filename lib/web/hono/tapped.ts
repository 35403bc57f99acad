import type { Recording } from '../responses/recording.js';

/** A body that is recorded as it is read. */
export function tapped(body: ReadableStream<Uint8Array>, recording: Recording): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          void recording.end();
          controller.close();
        } else {
          recording.write(value);
          controller.enqueue(value);
        }
      } catch (error) {
        recording.abort();
        controller.error(error);
      }
    },
    async cancel(reason) {
      recording.leave();
      await reader.cancel(reason);
    },
  });
}
