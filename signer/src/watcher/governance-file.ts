import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Type from 'typebox';
import { writeFileDurably } from '../durable-file.ts';
import { errorName, log } from '../log.ts';
import { parseValue } from '../parse.ts';
import type { GovernanceMemory } from './watch-governance.ts';

/** Below the data folder: how far the time locks were looked at, and what was scheduled. Without it a week is read again. */
const governanceName = 'governance.json';

const Call = Type.Object({
  operation: Type.String(),
  index: Type.Integer(),
  target: Type.String(),
  value: Type.String(),
  data: Type.String(),
});
const Memory = Type.Object({
  height: Type.Integer(),
  scheduled: Type.Array(Type.Object({ height: Type.Integer(), call: Call })),
});
const Memories = Type.Record(Type.String(), Memory);

export interface GovernanceFile {
  readonly memoryOf: (network: string) => GovernanceMemory | null;
  /** On return it is on the disk. */
  readonly keep: (network: string, memory: GovernanceMemory) => void;
}

/** A file that cannot be read counts as none: what it held is on the chain. */
export function openGovernanceFile(dataDir: string): GovernanceFile {
  const path = join(dataDir, governanceName);
  const memories = read(path);
  return {
    memoryOf: (network) => memories[network] ?? null,
    keep: (network, memory) => {
      memories[network] = { height: memory.height, scheduled: [...memory.scheduled] };
      writeFileDurably(path, JSON.stringify(memories));
    },
  };
}

function read(path: string): Record<string, GovernanceMemory> {
  try {
    return parseValue(Memories, JSON.parse(readFileSync(path, 'utf8')), 'config-invalid', path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log('governance-file-unread', { error: errorName(error) });
    return {};
  }
}
