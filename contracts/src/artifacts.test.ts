import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadArtifact } from './artifact.ts';
import { compileContracts } from './compile.ts';

test('the committed artifacts are what the sources compile to', { timeout: 180_000 }, () => {
  const compiled = compileContracts();
  for (const artifact of compiled) expect(loadArtifact(artifact.name)).toEqual(artifact);
  const committed = readdirSync(new URL('../artifacts/', import.meta.url));
  expect(committed.toSorted()).toEqual(compiled.map(({ name }) => `${name}.json`).toSorted());
});
