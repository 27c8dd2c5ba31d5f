/** Second half of `npm run lock`: makes the lock that npm wrote one that `npm ci` accepts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { absentOptionals, withoutAbsentOptionals, type Lockfile } from './lockfile.ts';
import { repoRoot } from './repo-files.ts';

const path = join(repoRoot, 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8')) as Lockfile;
const ownAbsent = absentOptionals(lock).filter(([from]) => from === '');
if (ownAbsent.length > 0) {
  throw new Error(
    `package.json names what the registry does not have: ${ownAbsent.map(([, name]) => name).join(', ')}`,
  );
}
writeFileSync(path, `${JSON.stringify(withoutAbsentOptionals(lock), null, 2)}\n`);
console.log(`package-lock.json: ${absentOptionals(lock).length} builds for other platforms left out`);
