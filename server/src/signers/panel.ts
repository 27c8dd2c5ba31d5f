import type { OwnerSignature } from '@holdfast/core/chains/evm/build.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type {
  AddressStatement,
  SignBitcoinRequest,
  SignEvmRequest,
  SignerPath,
  SignerRequest,
  SignerResponse,
  SignerStatus,
} from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { QuorumRefusal } from '@holdfast/core/withdrawals/quorum-refusal.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { addr } from 'micro-eth-signer';
import type { AddressAttestation } from '../store/deposit-addresses.ts';
import type { WalletKey } from '../store/wallet-keys.ts';
import { aggregateInputs, type FrostInput } from './aggregate.ts';
import { newestKey } from './newest-key.ts';
import { signsAll } from './signs-all.ts';

/** A caller of one signer; see client.ts. */
export interface SignerClient {
  readonly id: string;
  /** FROST identifier, 1..n. */
  readonly identifier: number;
  call<P extends SignerPath>(path: P, request: SignerRequest<P>): Promise<SignerResponse<P>>;
}

/** The signers as the server sees them: it asks, and believes only signatures that verify. */
export interface SignerPanel {
  status(): Promise<{ id: string; status: SignerStatus | null; problem: string | null }[]>;
  /**
   * Derivation by every signer that answers, with their statements; a quorum must agree and vouch.
   * @throws Failure derivation-mismatch, signers-unavailable, or a refusal.
   */
  attestAddress(request: SignerRequest<'/v1/address'>): Promise<AttestedAddress>;
  /** The same by one signer. */
  attestAddressBy(signer: string, request: SignerRequest<'/v1/address'>): Promise<AttestedAddress>;
  /** One message to every signer; `problem` null where it was taken. */
  tellAll<P extends '/v1/halt' | '/v1/resume' | '/v1/policy'>(
    path: P,
    message: SignerRequest<P>,
  ): Promise<{ signer: string; problem: Failure | null }[]>;
  /** Hands records about customers to one signer; one result a record. @throws Failure signers-unavailable. */
  deliverRecords(
    signer: string,
    records: SignerRequest<'/v1/records'>['records'],
  ): Promise<SignerResponse<'/v1/records'>['results']>;
  /** Public key of the threshold wallet, the same from every signer. @throws Failure key-missing, signers-unavailable. */
  frostWallet(network: string): Promise<WalletKey>;
  /** The newest one that all signers have signed; null for none (newest-key.ts). */
  newestKey(network: string): Promise<WalletKey | null>;
  /** A quorum of owner signatures over a Safe transaction. */
  signEvm(
    request: SignEvmRequest,
    expected: { readonly safeTxHash: string; readonly owners: readonly string[] },
  ): Promise<OwnerSignature[]>;
  /**
   * A quorum of the signers' own signatures of a P2WSH wallet, one an input each, of different keys, all verified.
   * @param wallet `keys`: compressed, hex; `sighashes`: one an input, BIP-143.
   */
  signMultisig(
    request: SignBitcoinRequest,
    wallet: { readonly keys: readonly string[]; readonly sighashes: readonly Uint8Array[] },
  ): Promise<SignerResponse<'/v1/sign/bitcoin/multisig'>[]>;
  /** One BIP-340 signature an input. */
  signBitcoin(
    request: SignBitcoinRequest,
    wallet: { key: WalletKey; inputs: readonly FrostInput[] },
  ): Promise<Uint8Array[]>;
}

export interface AttestedAddress {
  readonly address: string;
  readonly epoch: number;
  readonly statements: readonly AddressAttestation[];
}

/** @param statementKeys Ed25519 keys of the signers' statements, hex, by signer. */
export function signerPanel(
  clients: readonly SignerClient[],
  quorum: number,
  statementKeys: ReadonlyMap<string, string>,
): SignerPanel {
  let turn = 0;
  /** Every signer takes its turn as the spare one. */
  const inTurn = (): SignerClient[] => {
    turn = (turn + 1) % clients.length;
    return [...clients.slice(turn), ...clients.slice(0, turn)];
  };

  return {
    async status() {
      return Promise.all(
        clients.map(async (client) => {
          try {
            return { id: client.id, status: await client.call('/v1/status', {}), problem: null };
          } catch (error) {
            return { id: client.id, status: null, problem: error instanceof Error ? error.message : String(error) };
          }
        }),
      );
    },

    async attestAddress(request) {
      const answers = await Promise.allSettled(clients.map((client) => attest(client, request, statementKeys)));
      const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
      const problems = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
      // Answers that differ, and refusals that are no mere absence, must not be passed over.
      const refusal = problems.find(
        (one): one is Failure => one instanceof Failure && one.code !== 'invalid-request' && !isAway(one),
      );
      if (refusal) throw refusal;
      const [first] = given;
      if (!first || given.length < quorum) throw unavailable(`${given.length} of ${quorum} signers vouch`, problems);
      const other = given.find((one) => one.address !== first.address || one.epoch !== first.epoch);
      if (other) {
        throw new Failure(
          'derivation-mismatch',
          `signers derive ${first.address} and ${other.address} for one customer`,
        );
      }
      return { ...first, statements: given.flatMap(({ statements }) => statements) };
    },

    attestAddressBy: (signer, request) => attest(clientOf(clients, signer), request, statementKeys),

    tellAll: async (path, message) =>
      Promise.all(
        clients.map(async (client) => {
          try {
            await client.call(path, message);
            return { signer: client.id, problem: null };
          } catch (error) {
            if (error instanceof Failure) return { signer: client.id, problem: error };
            throw error;
          }
        }),
      ),

    async deliverRecords(signer, records) {
      const { results } = await clientOf(clients, signer).call('/v1/records', { records });
      if (results.length !== records.length)
        throw unavailable(`${signer} answers ${results.length} of ${records.length} records`, []);
      return results;
    },

    async frostWallet(network) {
      const keys = await Promise.all(
        clients.map(async (client) => {
          // The first epoch's comes first; what follows it is `newestKey`.
          const wallet = (await client.call('/v1/status', {})).frost_wallets.find((known) => known.network === network);
          if (!wallet) throw new Failure('key-missing', `${client.id} has no key for ${network} yet`);
          return wallet;
        }),
      );
      const first = keys[0]!;
      if (keys.some((key) => canonicalJson(key) !== canonicalJson(first))) {
        throw new Failure('derivation-mismatch', `the signers report different keys for ${network}`);
      }
      return first;
    },

    async newestKey(network) {
      const answers = await Promise.allSettled(clients.map((client) => client.call('/v1/status', {})));
      const reports = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.frost_wallets : []));
      return newestKey(reports, network, { statementKeys, quorum });
    },

    async signEvm(request, { safeTxHash, owners }) {
      const { results, problems } = await askInTurn(inTurn(), quorum, async (client) => {
        const answer = await client.call('/v1/sign/evm', request);
        if (answer.safe_tx_hash !== safeTxHash)
          throw unavailable(`${client.id} answers for ${answer.safe_tx_hash}, not ${safeTxHash}`, []);
        const signed = recoverOwner(safeTxHash, answer.signature);
        if (signed !== answer.owner.toLowerCase() || !owners.includes(signed)) {
          throw unavailable(
            `${client.id} answers with a signature of ${signed}, which is not its owner key in the Safe`,
            [],
          );
        }
        return { owner: answer.owner, signature: answer.signature };
      });
      if (results.length < quorum) throw verdict(problems, clients.length, quorum);
      return results;
    },

    async signMultisig(request, { keys, sighashes }) {
      const taken = new Set<string>();
      const { results, problems } = await askInTurn(inTurn(), quorum, async (client) => {
        const answer = await client.call('/v1/sign/bitcoin/multisig', request);
        const { key } = answer;
        // Two signatures of one key are one.
        if (taken.has(key) || !keys.includes(key) || !signsAll(answer, sighashes))
          throw unavailable(`${client.id} answers with no signatures of a key of its own in the wallet`, []);
        taken.add(key);
        return answer;
      });
      if (results.length < quorum) throw verdict(problems, clients.length, quorum);
      return results;
    },

    async signBitcoin(request, wallet) {
      type Commitment = SignerResponse<'/v1/sign/bitcoin/commit'>;
      const order = inTurn();
      const committed = new Map<SignerClient, Commitment>();
      const out = new Map<SignerClient, unknown>();
      const problems: unknown[] = [];
      // A share is worth nothing without the others of its session, and a bad one does not show whose fault it is: where
      // a round fails, another set of signers is asked.
      for (const panel of subsets(order, quorum)) {
        await Promise.all(
          panel
            .filter((client) => !committed.has(client) && !out.has(client))
            .map(async (client) => {
              try {
                committed.set(client, await client.call('/v1/sign/bitcoin/commit', request));
              } catch (error) {
                out.set(client, error);
              }
            }),
        );
        if (panel.some((client) => !committed.has(client))) continue;
        try {
          return await shareRound(
            panel.map((client) => ({ client, ...committed.get(client)! })),
            request,
            wallet,
            clients.length,
          );
        } catch (error) {
          problems.push(error);
        }
        // Its nonces are spent, whatever came of it.
        for (const client of panel) committed.delete(client);
      }
      // What failed after a quorum had accepted is no refusal: the same bytes are asked for again.
      throw verdict(
        [...out.values(), ...problems.map((problem) => unavailable('a signing round failed', [problem]))],
        clients.length,
        quorum,
      );
    },
  };
}

function clientOf(clients: readonly SignerClient[], signer: string): SignerClient {
  const client = clients.find(({ id }) => id === signer);
  invariant(client, `${signer} is configured`);
  return client;
}

/** One signer's derivation, its statement verified. @throws Failure attestation-invalid. */
async function attest(
  client: SignerClient,
  request: SignerRequest<'/v1/address'>,
  statementKeys: ReadonlyMap<string, string>,
): Promise<AttestedAddress> {
  const { address, epoch, statement: signature } = await client.call('/v1/address', request);
  const { network, customer } = request;
  const statement: AddressStatement = { version: 1, network, customer, address, epoch };
  const key = hexToBytes(statementKeys.get(client.id) ?? '');
  if (!opensslVerifiers.ed25519(key, statementDigest('address', statement), signature)) {
    throw new Failure('attestation-invalid', `the statement of ${client.id} about ${address} does not hold`);
  }
  return { address, epoch, statements: [{ signer: client.id, signature }] };
}

/** Address (lower case) whose key made an r s v signature over 32 bytes; `nobody` for what is no signature. */
function recoverOwner(hash: string, signature: string): string {
  const bytes = hexToBytes(signature);
  const recovered = new Uint8Array(65);
  recovered[0] = bytes[64]! - 27;
  recovered.set(bytes.subarray(0, 64), 1);
  try {
    return addr
      .fromPublicKey(secp256k1.recoverPublicKey(recovered, hexToBytes(hash), { prehash: false }))
      .toLowerCase();
  } catch {
    return 'nobody';
  }
}

type Session = { readonly client: SignerClient } & SignerResponse<'/v1/sign/bitcoin/commit'>;

/** Round two of FROST with exactly these signers (RFC 9591, 5.2 and 5.3). */
async function shareRound(
  sessions: readonly Session[],
  request: SignBitcoinRequest,
  wallet: { key: WalletKey; inputs: readonly FrostInput[] },
  total: number,
): Promise<Uint8Array[]> {
  const lists = request.input_paths.map((_, i) => sessions.map((session) => session.commitments[i]!));
  // All are awaited, so that no request of this round is under way in the next.
  const answers = await Promise.allSettled(
    sessions.map(({ client, session }) => client.call('/v1/sign/bitcoin/share', { session, commitments: lists })),
  );
  const shares = answers.map((answer, i) => {
    if (answer.status === 'rejected') throw answer.reason;
    return { identifier: sessions[i]!.commitments[0]!.identifier, shares: answer.value.shares };
  });
  return aggregateInputs(wallet.key, wallet.inputs, lists, shares, sessions.length, total);
}

/** Sets of `size` members, those of the first members first. */
function* subsets<T>(members: readonly T[], size: number): Generator<T[]> {
  if (size === 0) return yield [];
  for (const [at, first] of members.entries()) {
    for (const rest of subsets(members.slice(at + 1), size - 1)) yield [first, ...rest];
  }
}

/** Asks as many at once as are still needed, others standing in for those that fail. */
async function askInTurn<T>(
  clients: readonly SignerClient[],
  needed: number,
  ask: (client: SignerClient) => Promise<T>,
): Promise<{ results: T[]; problems: unknown[] }> {
  const waiting = [...clients];
  const results: T[] = [];
  const problems: unknown[] = [];
  while (results.length < needed && waiting.length > 0) {
    const round = waiting.splice(0, needed - results.length);
    for (const outcome of await Promise.allSettled(round.map(ask))) {
      if (outcome.status === 'fulfilled') results.push(outcome.value);
      else problems.push(outcome.reason);
    }
  }
  return { results, problems };
}

/** What is wrong with a signer and not with what it was asked. */
const signersTrouble: ReadonlySet<string> = new Set(['journal-behind', 'journal-broken', 'ceremony-differs']);

/** Reasons of a signer's own that an operator must read by their name. */
const ownStates: ReadonlySet<string> = new Set([
  ...signersTrouble,
  'halted',
  'degraded-limit',
  'policy-differs',
  'policy-missing',
  'build-not-permitted',
  'nodes-too-few',
]);

const isAway = (error: unknown): boolean =>
  error instanceof Failure && (errorRow(error.code).retryable || signersTrouble.has(error.code));

const saysExpired = (refusal: Failure): boolean => refusal.code === 'intent-expired';

/** Refused when so many refused for good that those left are no quorum; otherwise unavailable, to try again. */
function verdict(problems: readonly unknown[], total: number, quorum: number): Error {
  const refusals = problems.filter((problem) => problem instanceof Failure && !isAway(problem)) as Failure[];
  const blocking = (some: readonly Failure[]): boolean => some.length > total - quorum;
  const [expired, others] = [refusals.filter(saysExpired), refusals.filter((one) => !saysExpired(one))];
  // Expiry is the verdict only where it suffices alone: nobody says so of bytes that it has signed.
  const refusal = blocking(expired) ? expired[0] : (others[0] ?? expired[0]);
  if (refusal && blocking(refusals)) return new QuorumRefusal(refusal);
  const bug = problems.find((problem) => !(problem instanceof Failure));
  if (bug instanceof Error) return bug;
  // So many say the same of their own state that no quorum is left: that is the reason, and not that they are away.
  const states = problems.filter((problem) => problem instanceof Failure && isAway(problem)) as Failure[];
  const shared = states.find(({ code }) => ownStates.has(code) && blocking(states.filter((one) => one.code === code)));
  if (shared) return new Failure(shared.code, shared.message);
  return unavailable(`fewer than ${quorum} of ${total} signers signed`, problems);
}

function unavailable(what: string, problems: readonly unknown[]): Failure {
  const detail = problems.map((problem) => (problem instanceof Error ? problem.message : String(problem))).join('; ');
  return new Failure('signers-unavailable', `${what}: ${detail}`);
}
