import type { OwnerSignature } from '@holdfast/core/chains/evm/build.ts';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { canonicalJson } from '@holdfast/core/signing/intent.ts';
import type { SignBitcoinRequest, SignEvmRequest, SignerPath, SignerRequest, SignerResponse, SignerStatus } from '@holdfast/core/signing/messages.ts';
import type { WalletKey } from '../store/wallet-keys.ts';
import { aggregateInputs, type FrostInput } from './aggregate.ts';

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
  /** Derivation by one signer that answers. */
  deriveAddress(request: SignerRequest<'/v1/address'>): Promise<string>;
  /** Public key of the threshold wallet, the same from every signer. @throws Failure key-missing, signers-unavailable. */
  frostWallet(network: string): Promise<WalletKey>;
  /** A quorum of owner signatures over a Safe transaction. */
  signEvm(request: SignEvmRequest, safeTxHash: string): Promise<OwnerSignature[]>;
  /** One BIP-340 signature an input. */
  signBitcoin(request: SignBitcoinRequest, wallet: { key: WalletKey; inputs: readonly FrostInput[] }): Promise<Uint8Array[]>;
}

export function signerPanel(clients: readonly SignerClient[], quorum: number): SignerPanel {
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

    async deriveAddress(request) {
      const problems: unknown[] = [];
      for (const client of inTurn()) {
        try {
          return (await client.call('/v1/address', request)).address;
        } catch (error) {
          if (!isAway(error)) throw error;
          problems.push(error);
        }
      }
      throw unavailable('no signer answers', problems);
    },

    async frostWallet(network) {
      const keys = await Promise.all(
        clients.map(async (client) => {
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

    signEvm: async (request, safeTxHash) =>
      (await quorumOf(inTurn(), quorum, async (client) => {
        const answer = await client.call('/v1/sign/evm', request);
        if (answer.safe_tx_hash !== safeTxHash) throw new Failure('payment-mismatch', `${client.id} signed ${answer.safe_tx_hash}, not ${safeTxHash}`);
        return { owner: answer.owner, signature: answer.signature };
      })),

    async signBitcoin(request, wallet) {
      // A share is worth nothing without the others of its session, so a signer that fails sends the whole round again
      // with the ones left.
      let panel = inTurn();
      for (;;) {
        const sessions = await quorumOf(panel, quorum, async (client) => ({ client, ...(await client.call('/v1/sign/bitcoin/commit', request)) }));
        const lists = request.input_paths.map((_, i) => sessions.map((session) => session.commitments[i]!));
        const answers = await Promise.allSettled(sessions.map(({ client, session }) => client.call('/v1/sign/bitcoin/share', { session, commitments: lists })));
        const failed = answers.flatMap((answer, i) => (answer.status === 'rejected' ? [{ client: sessions[i]!.client, reason: answer.reason as unknown }] : []));
        if (failed.length === 0) {
          const shares = answers.map((answer, i) => ({
            identifier: sessions[i]!.commitments[0]!.identifier,
            shares: (answer as PromiseFulfilledResult<SignerResponse<'/v1/sign/bitcoin/share'>>).value.shares,
          }));
          return aggregateInputs(wallet.key, wallet.inputs, lists, shares, quorum, clients.length);
        }
        panel = panel.filter((client) => !failed.some((one) => one.client === client));
        if (panel.length < quorum) throw verdict(failed.map((one) => one.reason), panel.length, quorum);
      }
    },
  };
}

/** Asks signers until `quorum` have agreed, others standing in for those that fail. */
async function quorumOf<T>(clients: readonly SignerClient[], quorum: number, ask: (client: SignerClient) => Promise<T>): Promise<T[]> {
  const waiting = [...clients];
  const results: T[] = [];
  const problems: unknown[] = [];
  while (results.length < quorum && waiting.length > 0) {
    const round = waiting.splice(0, quorum - results.length);
    for (const outcome of await Promise.allSettled(round.map(ask))) {
      if (outcome.status === 'fulfilled') results.push(outcome.value);
      else problems.push(outcome.reason);
    }
  }
  if (results.length < quorum) throw verdict(problems, results.length, quorum);
  return results;
}

const isAway = (error: unknown): boolean => error instanceof Failure && errorRow(error.code).retryable;

/** Refused when so many refused for good that a quorum cannot come; otherwise unavailable, to try again. */
function verdict(problems: readonly unknown[], willing: number, quorum: number): Error {
  const away = problems.filter(isAway).length;
  const refusal = problems.find((problem) => problem instanceof Failure && !isAway(problem));
  if (refusal instanceof Failure && willing + away < quorum) return refusal;
  const bug = problems.find((problem) => !(problem instanceof Failure));
  if (bug instanceof Error) return bug;
  return unavailable(`${willing} of ${quorum} signers signed`, problems);
}

function unavailable(what: string, problems: readonly unknown[]): Failure {
  const detail = problems.map((problem) => (problem instanceof Error ? problem.message : String(problem))).join('; ');
  return new Failure('signers-unavailable', `${what}: ${detail}`);
}
