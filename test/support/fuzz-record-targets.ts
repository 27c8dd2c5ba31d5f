import { isDeepStrictEqual } from 'node:util';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { sampleCredential } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { customerRecordDigestBytes } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CustomerRecord } from '@holdfast/core/signing/customer-record.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { createRpc } from '@holdfast/signer/nodes/json-rpc.ts';
import type { FuzzStage } from './fuzz-stage.ts';
import type { FuzzTarget } from './fuzz-targets.ts';
import { bitcoinNetwork, btcAsset, customer, evmNetwork, integratorSecret } from './signer-stage.ts';

const nothingThere = '00'.repeat(32);
let nonces = 0;
const nonce = (): string => `fuzz-record-${(nonces += 1)}`;
/** Of the address that deposits are claimed for. */
const index = 50;

/** Every kind of record, once known to the signer and once not. */
export async function recordTargets(fuzz: FuzzStage): Promise<FuzzTarget[]> {
  const { accepted, stage } = fuzz;
  const { address } = (await accepted('server', '/v1/address', { network: bitcoinNetwork, customer, index })) as {
    address: string;
  };
  const relyingParty = stage.cluster.policy.policy.webauthn.approvals;
  const signedBy = <R extends CustomerRecord['record']>(record: R, key: string | null) => {
    const digest = customerRecordDigestBytes({ record });
    if (key !== null) return { record, authorization: signatureBy(key, digest) };
    const signature = bytesToHex(ed25519.sign(digest, integratorSecret));
    return { record, authorization: { key_id: 'exchange', signature } };
  };
  const common = { version: 1, customer } as const;
  const make: Record<string, (at: number) => CustomerRecord> = {
    credential: (at) => {
      const { credential_id, public_key } = sampleCredential(`passkey-${at}`);
      const record = { ...common, kind: 'credential', action: 'add', credential_id, public_key } as const;
      return signedBy({ ...record, nonce: nonce() }, null) as CustomerRecord;
    },
    destination: () => {
      const record = { ...common, kind: 'destination', action: 'add', network: evmNetwork } as const;
      return signedBy({ ...record, address: `0x${'12'.repeat(20)}`, nonce: nonce() }, null) as CustomerRecord;
    },
    settlement: (sequence) => {
      const second = customer.replace(/1$/, '2');
      // The known and the fresh one differ in more than a mutation changes.
      const entries = [
        { customer, asset: 'BTC', amount: `${sequence}5` },
        { customer: second, asset: 'BTC', amount: `-${sequence}5` },
      ];
      const record = { version: 1, kind: 'settlement', engine: 'engine-1', sequence, entries } as const;
      return signedBy({ ...record, entries }, 'engine-1') as CustomerRecord;
    },
    release: (at) => {
      const record = {
        ...common,
        kind: 'release',
        decision: 'credit',
        network: bitcoinNetwork,
        asset: 'BTC',
        amount: '5',
        address,
        txid: nothingThere,
        index: `vout:${at}`,
        block_hash: nothingThere,
        reason: 'fuzz',
        nonce: nonce(),
      } as const;
      const digest = customerRecordDigestBytes({ record });
      return { record, approvals: [assertionBy('approver-1', digest, relyingParty)] };
    },
    adjustment: () => {
      const record = {
        ...common,
        kind: 'adjustment',
        asset: 'BTC',
        amount: '5',
        reason: 'fuzz',
        nonce: nonce(),
      } as const;
      const digest = customerRecordDigestBytes({ record });
      return { record, approvals: [assertionBy('approver-1', digest, relyingParty)] };
    },
    deposit: (at) => {
      const { script } = stage.derive([0, index]);
      const outpoint = stage.node.addCoin({ amountSats: 7n, script, confirmations: 20 + at });
      const block_height = stage.node.height - 19 - at;
      const claim = { ...common, kind: 'deposit', network: bitcoinNetwork, index, address, asset: btcAsset } as const;
      return { record: { ...claim, block_height, block_hash: nothingThere, outpoint } };
    },
  };
  const targets: FuzzTarget[] = [];
  for (const [kind, one] of Object.entries(make)) {
    const known = await withBlock(fuzz, one(1));
    const answer = (await accepted('server', '/v1/records', { records: [known] })) as { results: { state: string }[] };
    if (answer.results[0]?.state !== 'accepted') throw new Error(`${kind}: ${JSON.stringify(answer)}`);
    const fresh = await withBlock(fuzz, one(2));
    const both = { path: '/v1/records', as: 'server' } as const;
    const listOf = (value: { records?: unknown }): unknown[] => (Array.isArray(value.records) ? value.records : []);
    const isOne = (of: CustomerRecord) => (sent: unknown) => isDeepStrictEqual(sent, of);
    targets.push({
      name: kind,
      ...both,
      kind: 'known',
      base: async () => ({ records: [known] }),
      skip: (value: { records?: unknown }) => isFalseCredit(value, known, fresh),
      // The same record twice is the same record.
      allowed: (value: { records?: unknown }) => listOf(value).length > 0 && listOf(value).every(isOne(known)),
    });
    targets.push({
      name: `${kind}, fresh`,
      ...both,
      kind: 'fresh',
      base: async () => ({ records: [fresh] }),
      // The fresh record itself, twice or among others, would count.
      skip: (value: { records?: unknown }) => isFalseCredit(value, known, fresh) || listOf(value).some(isOne(fresh)),
    });
  }
  return targets;
}

async function withBlock({ stage }: FuzzStage, signed: CustomerRecord): Promise<CustomerRecord> {
  if (signed.record.kind !== 'deposit') return signed;
  const [hash] = await createRpc(
    stage.node.urls[0],
    5_000,
  )([{ method: 'getblockhash', params: [signed.record.block_height] }]);
  return { record: { ...signed.record, block_hash: String(hash) } };
}

/** Another output than these of a block that is final: a server that says so is stopped, and so would be this test. */
function isFalseCredit({ records: list }: { records?: unknown }, ...real: readonly CustomerRecord[]): boolean {
  const outpoints = real.flatMap(({ record }) => (record.kind === 'deposit' ? [record.outpoint] : []));
  return (
    Array.isArray(list) &&
    list.some((one) => {
      const outpoint = (one as { record?: { outpoint?: unknown } } | null)?.record?.outpoint;
      const isObject = typeof outpoint === 'object' && outpoint !== null;
      return isObject && !outpoints.some((known) => isDeepStrictEqual(known, outpoint));
    })
  );
}
