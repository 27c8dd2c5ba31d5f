import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports that Linux gives to outgoing connections (32768 on): none of those can take it before it is used. */
const range = [12_000, 32_000] as const;
const attemptsMax = 100;
/** A process of a system starts long after its port was chosen, and a dozen ports of one system are chosen meanwhile. */
const given = new Set<number>();

/** A port on 127.0.0.1 that nobody listens on now and that this process was not given before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(...range);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port after ${attemptsMax} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => server.close(() => answer(true)));
  });
}
