/** Puts a value, and fetches it: as it is, as a client does that wants it anew, and one that is not there. */
export async function demonstrate(url: string): Promise<void> {
  const put = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: 'greeting', value: 'Hello, Ann' }),
  });
  console.log(`POST / → ${put.status} ${await put.text()}`);
  await get(url, '/greeting');
  await get(url, '/greeting', { 'cache-control': 'no-cache' });
  await get(url, '/farewell');
}

async function get(url: string, path: string, headers: Record<string, string> = {}): Promise<void> {
  const response = await fetch(url + path, { headers });
  const asked = Object.entries(headers).map(([name, value]) => ` with ${name}: ${value}`);
  console.log(`GET ${path}${asked.join('')} → ${response.status} ${(await response.text()).trim()}`);
}
