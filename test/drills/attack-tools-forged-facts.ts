import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { parseId } from '@holdfast/core/contract/ids.ts';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { customerRecordDigest } from '@holdfast/core/signing/customer-record-digest.ts';
import type { CredentialRecord, CustomerRecord, DepositClaim } from '@holdfast/core/signing/customer-record.ts';
import { intentDigest } from '@holdfast/core/signing/intent.ts';
import { type SignedHalt, type SignedResume } from '@holdfast/core/signing/halt.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { signRecord } from '@holdfast/client/sign-record.ts';
import { createCredential, type SoftwarePasskey } from '@holdfast/devnet/authenticator.ts';
import { caip19, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendEth } from '@holdfast/devnet/evm/payments.ts';
import { approvalsOrigin, customersOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import { withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { uuidV7 } from '@holdfast/server/new-id.ts';
import type { Attack } from './attack.ts';
import {
  addByStolenKey,
  demand,
  mustNotCount,
  mustNotPay,
  mustRefuse,
  newNonce,
  payDirectly,
  refusalOf,
  tellSigners,
  until,
} from './attack-tools-host.ts';
import { type DrillStage, everything } from './drill-stage.ts';

/** What root on the API host and the database makes signers and payers believe, or tries to. */

export const forgedCredential: Attack = {
  name: 'credential row of the victim forged, and told to the signers directly',
  async run(stage) {
    const { system, victim, books } = stage;
    const mark = stage.mark();
    const thief = parseEvmAddress(await stage.thief('ETH'));
    await addByStolenKey(stage, [[victim.id, thief]]);
    const passkey = createCredential(relyingParties.customers.rp_id);
    const record = credentialOf(victim.id, passkey);
    const digest = statementDigest('customer-record', record);
    const { keyId } = system.parties.integrator;
    const forged: CustomerRecord[] = [
      // Under the integrator's name with another key; by itself; by another customer's real passkey.
      { record, authorization: signRecord(record, { keyId, privateKey: system.parties.haltKeys[0]!.seed }) },
      { record, authorization: passkey.sign(digest, { origin: customersOrigin }) },
      { record, authorization: system.passkeyOf(stage.accomplice.id).sign(digest, { origin: customersOrigin }) },
    ];
    const evidence: string[] = [];
    for (const [at, code] of ['authorization-invalid', 'credential-unknown', 'credential-unknown'].entries())
      evidence.push(await mustNotCount(stage, [forged[at]!], code));

    const id = uuidV7(Date.now());
    await books.db.query(
      `insert into customer_record (id, digest, kind, customer_id, signed, created_at_ms) values ($1, $2, 'credential', $3, $4::jsonb, 0)`,
      [id, customerRecordDigest(forged[0]!), parseId('cus', victim.id), JSON.stringify(forged[0])],
    );
    await books.db.query(
      `insert into signer_delivery (record_id, signer, lane, state, next_attempt_at_ms)
       select $1, unnest($2::text[]), 'customers', 'pending', 0`,
      [id, ['signer-1', 'signer-2', 'signer-3']],
    );
    await awaitCondition('every signer refused the row', async () => {
      const rows = await books.db.query<{ state: string }>('select state from signer_delivery where record_id = $1', [
        id,
      ]);
      return rows.every(({ state }) => state === 'refused');
    });
    // The server takes the row for an enrolled passkey; the signers never do, also after the delay.
    await until(Date.now() + 2_500);
    const intent = withdrawalIntent(system, victim, 'ETH', '2', thief);
    const authorization = passkey.sign(intentDigest(intent), { origin: customersOrigin });
    await mustNotPay(stage, [{ intent, authorization, approvals: [] }], 'credential-unknown');
    const honest = withdrawalIntent(system, victim, 'ETH', '0.5', victim.destinations.ETH);
    demand((await payDirectly(stage, [system.authorizeWithPasskey(honest)])).paid, 'the real passkey pays');
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

export const falseCredit: Attack = {
  name: 'deposit that never came, claimed to one signer',
  haltWithinMs: 10_000,
  async run(stage) {
    const { system, accomplice } = stage;
    await system.mineEvm(6);
    await system.followed();
    const claim = await claimOfNothing(stage);
    const mark = stage.mark();
    // Of a block that does not exist: nothing to halt for, it may still come.
    const elsewhere = { record: { ...claim, block_hash: 'ab'.repeat(32) } };
    const [later] = await tellSigners(stage, [elsewhere]);
    demand(later!.state === 'later' && later!.code === 'deposit-unproven', 'a block that nobody has proves nothing');
    demand(stage.evidenceSince(mark).length === 0, 'and halts nothing');

    const started = performance.now();
    const { results } = await stage.asServer[0]!.call('/v1/records', { records: [{ record: claim }] });
    demand(results[0]!.state === 'refused', 'a deposit that never came is refused');
    const haltedAfterMs = await stage.haltedAfterMs(started, 10_000);
    const rich = withdrawalIntent(system, accomplice, 'ETH', '10', accomplice.destinations.ETH);
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    await mustNotPay(stage, [system.authorizeWithPasskey(rich)], 'halted');
    const left = { ETH: (await stage.stolen('ETH', accomplice.destinations.ETH)) - before };
    return { left, haltedAfterMs, evidence: stage.evidenceSince(mark) };
  },
};

export const swappedDepositAddress: Attack = {
  name: 'API answers with the thief’s deposit address',
  async run(stage) {
    const { system, victim, accomplice, books } = stage;
    const thief = parseEvmAddress(await stage.thief('ETH'));
    const asked = { customer: victim.id, network: evmNetworkId };
    // A payer who pays what the client returns, as the exchange's page would show it.
    const pay = async (client: Client): Promise<string> => {
      const { address } = await client.issueDepositAddress(asked);
      await sendEth({ rpcUrl: system.chains.anvil.url, to: address, amountWei: 10n ** 18n });
      await system.mineEvm();
      return address;
    };
    demand((await pay(system.client)) === victim.addresses.get(evmNetworkId), 'an honest answer passes');
    const own = await system.client.issueDepositAddress(asked);
    const others = await system.client.issueDepositAddress({ ...asked, customer: accomplice.id });
    const { epoch, statements } = own.attestation;
    const evidence: string[] = [];
    const forged: [what: string, reply: DepositAddressResource][] = [
      ['another address', { ...own, address: thief }],
      [
        'made-up signatures',
        forgedReply(
          own,
          thief,
          statements.map((one) => ({ ...one, signature: 'ab'.repeat(64) })),
        ),
      ],
      ['no statements', forgedReply(own, thief, [])],
      ['the accomplice’s, vouched for as theirs', others],
      ['the accomplice’s under the victim’s name', { ...others, id: own.id, customer: victim.id }],
      ['one signer twice', forgedReply(own, own.address, [statements[0]!, statements[0]!])],
      ['another epoch', { ...own, attestation: { epoch: epoch + 1, statements } }],
    ];
    for (const [what, reply] of forged) {
      const client = clientOfForgedApi(stage, reply);
      const refusals = [
        () => pay(client),
        // An id is the API's own: which customer it shows the address of is the payer's to compare.
        ...(reply === others ? [] : [() => client.getDepositAddress({ id: own.id })]),
        () => client.listDepositAddresses(asked),
      ];
      for (const refusal of refusals)
        evidence.push(await mustRefuse(`client: ${what}:`, 'attestation-invalid', refusal));
    }
    // The row changed; then without its statements too, so that the server asks the signers again.
    const change = (address: string, kept: Statements) =>
      books.db.query('update deposit_address set address = $2, statements = $3::jsonb where id = $1', [
        parseId('addr', own.id),
        address,
        JSON.stringify(kept),
      ]);
    await change(thief, statements);
    evidence.push(`client: changed row: ${await refusalOf(() => pay(system.client))}`);
    await change(thief, []);
    evidence.push(await mustRefuse('server:', 'derivation-mismatch', () => pay(system.client)));
    await change(own.address, statements);
    await pay(system.client);
    return { left: { ETH: await stage.stolen('ETH', thief) }, haltedAfterMs: null, evidence };
  },
};

export const forgedResume: Attack = {
  name: 'resumption of a halt forged and replayed',
  haltWithinMs: 10_000,
  async run(stage) {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const [signer] = asServer;
    const forger = createCredential(relyingParties.approvals.rp_id);
    const statement = system.haltToken(everything, 'forged').statement;
    const byForger = forger.sign(statementDigest('halt', statement), { origin: approvalsOrigin });
    const forgedHalts: SignedHalt[] = [
      { statement, evidence: byForger },
      { statement, evidence: { ...byForger, credential_id: system.parties.operators[0]!.passkey.credentialId } },
    ];
    const evidence: string[] = [];
    for (const halt of forgedHalts)
      evidence.push(await mustRefuse('signer', 'halt-invalid', () => signer!.call('/v1/halt', halt)));

    // The operator stops the system; the host that is the thief's could swallow it, so a signer hears it directly.
    const earlier = await haltAndResume(stage);
    const started = performance.now();
    const { digest } = await signer!.call('/v1/halt', system.haltToken(everything, 'the host is not ours any more'));
    const haltedAfterMs = await stage.haltedAfterMs(started, 10_000);
    const { statement: honest } = system.resumption([digest], 'honest');
    const byStrangers = [forger, createCredential(relyingParties.approvals.rp_id)].map((one) =>
      one.sign(statementDigest('resume', honest), { origin: approvalsOrigin }),
    );
    const forged: [code: string, resume: SignedResume][] = [
      ['approval-invalid', { statement: honest, approvals: byStrangers }],
      ['approval-invalid', { statement: honest, approvals: earlier.approvals }],
      ['approval-invalid', { statement: { ...earlier.statement, halts: [digest] }, approvals: earlier.approvals }],
      ['resume-invalid', system.resumption([digest], 'one approver', 1)],
    ];
    for (const [code, resume] of forged) {
      for (const one of asServer) evidence.push(await mustRefuse('signer', code, () => one.call('/v1/resume', resume)));
    }
    await signer!.call('/v1/resume', earlier);
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    const wanted = withdrawalIntent(system, accomplice, 'ETH', '0.1', accomplice.destinations.ETH);
    await mustNotPay(stage, [system.authorizeWithPasskey(wanted)], 'halted');
    const left = { ETH: (await stage.stolen('ETH', accomplice.destinations.ETH)) - before };
    return { left, haltedAfterMs, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

/** Last of the list: the victim has no passkey afterwards. */
export const enrolledByStolenKey: Attack = {
  name: 'stolen integrator key enrols the thief’s passkey for the victim, also after removing the victim’s own',
  async run(stage) {
    const { system, victim } = stage;
    const mark = stage.mark();
    const { integrator } = system.parties;
    const byStolenKey = (record: CredentialRecord): CustomerRecord => ({
      record,
      authorization: signRecord(record, { keyId: integrator.keyId, privateKey: integrator.seed }),
    });
    const thief = parseEvmAddress(await stage.thief('ETH'));
    await addByStolenKey(stage, [[victim.id, thief]]);
    const passkey = createCredential(relyingParties.customers.rp_id);
    const enrolment = byStolenKey(credentialOf(victim.id, passkey));
    const own = { ...credentialOf(victim.id, system.passkeyOf(victim.id)), action: 'remove' as const };
    await mustNotCount(stage, [enrolment], 'authorization-invalid');
    const removed = await tellSigners(stage, [byStolenKey(own)]);
    demand(
      removed.every(({ state }) => state === 'accepted'),
      'a removal only tightens, so the stolen key may ask for it',
    );
    await mustNotCount(stage, [enrolment], 'authorization-invalid');
    // Neither now nor when every delay is over does the thief's passkey count.
    await until(Date.now() + 2_500);
    const intent = withdrawalIntent(system, victim, 'ETH', '4', thief);
    const authorization = passkey.sign(intentDigest(intent), { origin: customersOrigin });
    await mustNotPay(stage, [{ intent, authorization, approvals: [] }], 'credential-unknown');
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  },
};

type Statements = DepositAddressResource['attestation']['statements'];

function forgedReply(own: DepositAddressResource, address: string, statements: Statements): DepositAddressResource {
  return { ...own, address, attestation: { epoch: own.attestation.epoch, statements } };
}

/** A payer's client, honest and with pinned signers, of an API whose every answer is the thief's. */
function clientOfForgedApi({ system }: DrillStage, reply: DepositAddressResource): Client {
  const config = JSON.parse(readFileSync(join(system.folder, 'server', 'config.json'), 'utf8')) as {
    signers: { id: string; statement_key: string }[];
  };
  return createClient({
    baseUrl: system.apiUrl(),
    keyId: 'integrator-api',
    privateKey: readFileSync(join(system.folder, 'cli', 'api.key'), 'utf8').trim(),
    attestation: { quorum: 2, keys: Object.fromEntries(config.signers.map((one) => [one.id, one.statement_key])) },
    fetch: async (url, init) => {
      const [asked, isPost] = [url instanceof Request ? url.url : url.toString(), init?.method === 'POST'];
      const isList = !isPost && !asked.includes('/addr_');
      const answer = isList ? { object: 'list', data: [reply], next_cursor: null } : reply;
      return Response.json(answer, { status: isPost ? 201 : 200 });
    },
  });
}

function credentialOf(customer: string, passkey: SoftwarePasskey): CredentialRecord {
  return {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer,
    credential_id: passkey.credentialId,
    public_key: passkey.publicKey,
    nonce: newNonce(),
  };
}

/** A claim of a block that is deep enough and canonical, and in which nothing came to the accomplice. */
async function claimOfNothing({ system, accomplice, books }: DrillStage): Promise<DepositClaim> {
  const rpcUrl = system.chains.anvil.url;
  const tip = Number(await rpcCall<string>(rpcUrl, 'eth_blockNumber', []));
  const height = tip - 4;
  const block = await rpcCall<{ hash: string }>(rpcUrl, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false]);
  const [row] = await books.db.query<{ address: string; derivation_index: bigint }>(
    `select address, derivation_index from deposit_address where customer_id = $1 and network = $2 and state = 'active'`,
    [parseId('cus', accomplice.id), evmNetworkId],
  );
  return {
    version: 1,
    kind: 'deposit',
    network: evmNetworkId,
    customer: accomplice.id,
    index: Number(row!.derivation_index),
    address: row!.address,
    asset: caip19('ETH', system.evm),
    block_height: height,
    block_hash: block.hash.slice(2),
    outpoint: null,
  };
}

/** A halt and its honest resumption, which a thief may have kept. */
async function haltAndResume(stage: DrillStage): Promise<SignedResume> {
  const { system, asServer } = stage;
  const { digest } = await asServer[0]!.call('/v1/halt', system.haltToken(everything, 'drill'));
  await stage.haltedAfterMs(performance.now(), 10_000);
  const resume = system.resumption([digest], 'over');
  await Promise.all(asServer.map((one) => one.call('/v1/resume', resume)));
  return resume;
}
