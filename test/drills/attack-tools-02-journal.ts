import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { leafHash } from '@holdfast/core/audit/leaf-hash.ts';
import { createMerkleTree, type MerkleTree } from '@holdfast/core/audit/merkle-tree.ts';
import type { Checkpoint, MeshRequest, MeshResponse } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { units } from '../support/payouts.ts';
import type { Attack } from './attack.ts';
import { evmRequest, execute, safeHash, safeNonce } from './attack-tools-chains.ts';
import { codeOf, mustBe, stealSigner, type StolenSigner } from './attack-tools-signers.ts';
import type { DrillStage } from './drill-stage.ts';

/** What a signer's history is kept in. */
const historyFiles = ['journal.jsonl', 'transcripts.jsonl', 'checkpoints.jsonl', 'pulled.json'] as const;

/** Takes the files aside. @returns a function that puts them back, as often as it is called. */
function keepHistory(dataDir: string, name: string): () => void {
  const place = (file: string): string => join(dataDir, `${file}.${name}`);
  const there = historyFiles.filter((file) => existsSync(join(dataDir, file)));
  for (const file of there) copyFileSync(join(dataDir, file), place(file));
  return () => {
    for (const file of historyFiles) rmSync(join(dataDir, file), { force: true });
    for (const file of there) copyFileSync(place(file), join(dataDir, file));
  };
}

export const setBack: Attack = {
  name: 'the journal is set back behind a payment, or a record of it cut out, and the payment asked for once more',
  run: async (stage) => {
    const { system, accomplice, asServer } = stage;
    const [one, two] = asServer;
    const stolen = await stealSigner(stage);
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    await system.signer('signer-1').stop();
    const putOld = keepHistory(stolen.dataDir, 'old');
    await system.startSigner('signer-1');
    await upAgain(stage);

    // The honest round that is to be forgotten: signer-1 and signer-2 sign, the relayer executes.
    const intents = [
      system.authorizeWithPasskey(withdrawalIntent(system, accomplice, 'ETH', '0.05', accomplice.destinations.ETH)),
    ];
    const nonce = await safeNonce(system);
    const first = evmRequest(system, intents, nonce);
    const owners = await Promise.all([one!, two!].map((client) => client.call('/v1/sign/evm', first)));
    mustBe('the payment', await execute(system, first.safe_transaction, owners), 'executed');
    await system.signer('signer-1').stop();
    const putNew = keepHistory(stolen.dataDir, 'new');
    const evidence: string[] = [];
    try {
      cutOut(stolen.dataDir);
      const start = await system.startSigner('signer-1').then(
        () => 'started',
        (error: unknown) => (/journal-broken/.test(String(error)) ? 'journal-broken' : String(error)),
      );
      mustBe('a start with a record cut out', start, 'journal-broken');
      evidence.push('start journal-broken');

      putOld();
      await system.startSigner('signer-1');
      const again = evmRequest(system, intents, nonce + 1n);
      mustBe(
        'at once',
        await codeOf(one!.call('/v1/sign/evm', again)),
        'journal-behind',
        'already-paid-by',
        'signers-unavailable',
      );
      await awaitCondition(
        'signer-1 learning that it is behind',
        async () => (await one!.call('/v1/status', {})).problem?.startsWith('journal-behind'),
        20_000,
        50,
      );
      mustBe('later', await codeOf(one!.call('/v1/sign/evm', again)), 'journal-behind');
      mustBe('at its peer', await codeOf(two!.call('/v1/sign/evm', again)), 'already-paid-by');
      const own = {
        owner: stolen.owner.address,
        signature: bytesToHex(await stolen.owner.sign(safeHash(system, again.safe_transaction))),
      };
      evidence.push(`chain ${await execute(system, again.safe_transaction, [own])}`);
      for (const record of stage.journal('signer-1')) {
        if (record.kind === 'refused') evidence.push(`refused ${record.body.code}`);
      }
    } finally {
      await system.signer('signer-1').stop();
      putNew();
      await system.startSigner('signer-1');
      stolen.close();
    }
    await upAgain(stage);
    const received = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
    return { left: { ETH: received - units('ETH', '0.05') }, haltedAfterMs: null, evidence };
  },
};

export async function upAgain({ asServer }: DrillStage): Promise<void> {
  await awaitCondition(
    'three signers that see each other',
    async () => {
      const all = await Promise.all(asServer.map((client) => client.call('/v1/status', {}).catch(() => null)));
      return all.every((status) => status?.peers_reachable === 2 && status.problem === null);
    },
    20_000,
    50,
  );
}

/** Without its last acceptance, everything else as it was. */
function cutOut(dataDir: string): void {
  const path = join(dataDir, 'journal.jsonl');
  const lines = readFileSync(path, 'utf8').split('\n');
  const at = lines.findLastIndex((line) => line.includes('"kind":"accepted"'));
  writeFileSync(path, lines.toSpliced(at, 1).join('\n'));
}

export const forkedLog: Attack = {
  name: 'a second audit log without the victim in it, to be cosigned by a peer',
  haltWithinMs: 5_000,
  run: async (stage) => {
    const mark = stage.mark();
    const stolen = await stealSigner(stage);
    const lines = readFileSync(join(stolen.dataDir, 'journal.jsonl'), 'utf8').split('\n').slice(0, -1);
    const genuine = treeOf(lines);
    mustBe('its own log', await cosign(stolen, 'signer-2', genuine, lines.length), 'cosigned');
    // The record is gone and another takes its place, so that the count is right; one more, and the fork goes on.
    const at = lines.findIndex((line) => line.includes(stage.victim.id));
    const forked = treeOf([...lines.with(at, '{}'), '{}']);
    const startedAtMs = performance.now();
    mustBe('the other one', await cosign(stolen, 'signer-2', forked, lines.length + 1), 'audit-invalid');
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 5_000);
    stolen.close();
    return { left: {}, haltedAfterMs, evidence: [...stage.evidenceSince(mark), 'signer-2 mesh audit-invalid'] };
  },
};

function treeOf(lines: readonly string[]): MerkleTree {
  const tree = createMerkleTree();
  for (const line of lines) tree.append(leafHash(utf8ToBytes(line)));
  return tree;
}

/** Asks a peer for its cosignature the way the signer does. @returns 'cosigned' or the code of the refusal. */
async function cosign(stolen: StolenSigner, peer: string, tree: MerkleTree, size: number): Promise<string> {
  const checkpoint: Checkpoint = { version: 1, signer: stolen.id, size, root: bytesToHex(tree.rootAt(size)) };
  const signature = stolen.statement.sign(statementDigest('checkpoint', checkpoint));
  const ask = async (from: number): Promise<MeshResponse<'/v1/mesh/checkpoint'>> => {
    const proof = tree.consistency(from, size).map(bytesToHex);
    const request: MeshRequest<'/v1/mesh/checkpoint'> = { checkpoint, signature, from, proof };
    return stolen.mesh(peer)('/v1/mesh/checkpoint', request);
  };
  const code = await codeOf(
    (async () => {
      const answer = await ask(0);
      if ('last_size' in answer) await ask(answer.last_size);
    })(),
  );
  return code === 'accepted' ? 'cosigned' : code;
}
