import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/**
 * Loaded into a process before its own code (`node --import`): ends it unless it has no network but a loopback interface that
 * is down. /proc/net is of the process's own network namespace; Node lists the interfaces that are up.
 */
const names = readFileSync('/proc/net/dev', 'utf8')
  .split('\n')
  .slice(2)
  .map((line) => line.split(':')[0]?.trim() ?? '')
  .filter((name) => name !== '');
const up = Object.keys(networkInterfaces());
if (names.join() !== 'lo' || up.length > 0) {
  process.stderr.write(`this process has a network: ${names.join(', ')}; up: ${up.join(', ')}\n`);
  process.exit(97);
}
