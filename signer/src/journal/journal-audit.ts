import { createHash } from 'node:crypto';
import { createHashList } from '@holdfast/core/audit/hash-list.ts';
import { createMerkleTree, type MerkleTree } from '@holdfast/core/audit/merkle-tree.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';

/** The journal as an audit log: the leaves are its lines without newlines, leaf 0 is record 1. Only what is on the disk counts. */
export interface AuditLog {
  readonly size: () => number;
  /** Root of the first `size` records, hex. @throws InvariantError beyond what is on the disk. */
  readonly rootAt: (size: number) => string;
  /** RFC 6962, 2.1.2, hex. @throws InvariantError unless from <= to <= size(). */
  readonly consistency: (from: number, to: number) => string[];
  /** RFC 6962, 2.1.1, hex. @throws InvariantError unless 1 <= seq <= size <= size(). */
  readonly inclusion: (seq: number, size: number) => string[];
}

/** What the journal keeps of its lines: 66 bytes each. */
export interface JournalAudit {
  readonly log: AuditLog;
  readonly add: (line: string, hash: string) => void;
  readonly hashAt: (seq: number) => string | null;
  /** So many more records are on the disk. */
  readonly flushed: (records: number) => void;
}

export function createJournalAudit(): JournalAudit {
  const tree: MerkleTree = createMerkleTree();
  const lineHashes = createHashList();
  /** Of lines that are not on the disk yet. */
  let waiting: Uint8Array[] = [];
  const leafPrefix = Uint8Array.of(0);
  return {
    log: {
      size: tree.size,
      rootAt: (size) => bytesToHex(tree.rootAt(size)),
      consistency: (from, to) => tree.consistency(from, to).map(bytesToHex),
      inclusion: (seq, size) => tree.inclusion(seq - 1, size).map(bytesToHex),
    },
    add: (line, hash) => {
      // `leafHash` by OpenSSL: a start hashes the whole journal.
      waiting.push(createHash('sha256').update(leafPrefix).update(line, 'utf8').digest());
      lineHashes.push(hexToBytes(hash));
    },
    hashAt: (seq) => (seq >= 1 && seq <= lineHashes.size() ? bytesToHex(lineHashes.at(seq - 1)) : null),
    flushed: (records) => {
      for (const leaf of waiting.slice(0, records)) tree.append(leaf);
      waiting = waiting.slice(records);
    },
  };
}
