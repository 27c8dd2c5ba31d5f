import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { absentOptionals, withoutAbsentOptionals, type Lockfile } from './lockfile.ts';
import { repoRoot, workspaces } from './repo-files.ts';

const read = (path: string): unknown => JSON.parse(readFileSync(join(repoRoot, path), 'utf8'));

interface Manifest {
  readonly [section: string]: Record<string, string> | undefined;
}

describe('the committed lock', () => {
  const lock = read('package-lock.json') as Lockfile;
  const sections = ['dependencies', 'devDependencies', 'optionalDependencies'];
  const manifests = ['', ...workspaces(repoRoot)].map(
    (folder) => [folder, read(join(folder, 'package.json')) as Manifest] as const,
  );

  test('holds every optional package that it names, else npm ci refuses it (mend it by: npm run lock)', () => {
    expect(absentOptionals(lock)).toEqual([]);
  });

  test.each(manifests)('agrees with %s/package.json', (folder, manifest) => {
    for (const section of sections) expect(lock.packages[folder]?.[section] ?? {}).toEqual(manifest[section] ?? {});
  });

  test('and the manifests pin every version exactly', () => {
    const loose = manifests.flatMap(([folder, manifest]) =>
      sections.flatMap((section) =>
        Object.entries(manifest[section] ?? {})
          .filter(([, version]) => !/^[0-9]+\.[0-9]+\.[0-9]+(-[\w.]+)?$/.test(version))
          .map(([name, version]) => `${folder}: ${name} ${version}`),
      ),
    );
    expect(loose).toEqual([]);
  });
});

test('only what the lock does not hold is left out of it', () => {
  const lock: Lockfile = {
    packages: {
      '': { optionalDependencies: { top: '1.0.0' } },
      'node_modules/top': {
        version: '1.0.0',
        optionalDependencies: { beside: '1.0.0', inside: '1.0.0', absent: '1.0.0' },
      },
      'node_modules/beside': { version: '1.0.0' },
      'node_modules/top/node_modules/inside': { version: '1.0.0' },
    },
  };
  expect(absentOptionals(lock)).toEqual([['node_modules/top', 'absent']]);
  const pruned = withoutAbsentOptionals(lock);
  expect(absentOptionals(pruned)).toEqual([]);
  expect(pruned.packages['node_modules/top']).toEqual({
    version: '1.0.0',
    optionalDependencies: { beside: '1.0.0', inside: '1.0.0' },
  });
});
