import { expect, it } from 'vitest';
import { freePort } from './free-port.ts';

it('gives no port twice, although nobody listens on the first any more', async () => {
  const ports = new Set<number>();
  // One after the other: at once they would find each other listening. Of 20,000 ports a thousand draws meet 25 times.
  for (let draw = 0; draw < 1_000; draw += 1) ports.add(await freePort());
  expect(ports.size).toBe(1_000);
});
