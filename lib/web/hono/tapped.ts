import type { HeaderList } from '../responses/headers.js';
import type { Recording } from '../responses/recording.js';

/**
 * A body that is recorded as it is read.
 * @param headers those that were sent, in the end
 */
export function tapped(
  body: ReadableStream<Uint8Array>,
  recording: Recording,
  headers: () => HeaderList,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          recording.check(headers());
          recording.end();
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
