/** What the work rejects with; an error if it resolves. */
export async function failure(work: () => Promise<unknown>): Promise<unknown> {
  let result: unknown;
  try {
    result = await work();
  } catch (error) {
    return error;
  }
  throw new Error(`resolves with ${String(result)} rather than failing`);
}
