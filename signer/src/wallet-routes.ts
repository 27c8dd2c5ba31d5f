import { Failure } from '@holdfast/core/failure.ts';
import {
  signerMessages,
  type SignerPath,
  type SignerRequest,
  type SignerResponse,
  type SignerStatus,
} from '@holdfast/core/signing/messages.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import type { HaltDesk } from './halts/halt-desk.ts';
import type { Spread } from './halts/spread.ts';
import type { JournalFeed } from './mesh/journal-feed.ts';
import { acceptPolicy } from './policy/accept-policy.ts';
import { acceptRecords, type RecordDeps } from './records/accept-records.ts';
import type { Route } from './transport/pinned-server.ts';
import type { EvmWallet } from './wallets/evm-wallet.ts';
import type { BitcoinWallets } from './wallets/open-wallets.ts';
import { allNetworks, digestsOf, refusalRecorder, type WalletDeps } from './wallets/wallet.ts';

/** What the server may ask; see core/signing/messages.ts. */
export function walletRoutes(input: {
  readonly status: () => SignerStatus;
  readonly evm: ReadonlyMap<string, EvmWallet>;
  readonly bitcoin: ReadonlyMap<string, BitcoinWallets>;
  readonly share: (
    session: string,
    commitments: SignerRequest<'/v1/sign/bitcoin/share'>['commitments'],
  ) => Promise<string[]>;
  readonly deps: WalletDeps;
  readonly records: Omit<RecordDeps, 'recorded'>;
  readonly halts: HaltDesk;
  readonly spread: Spread;
  readonly feed: Pick<JournalFeed, 'own' | 'request'>;
}): [SignerPath, Route][] {
  const { evm, bitcoin, share, records, halts, spread, feed } = input;
  const recorded = refusalRecorder(input.deps);
  const route = <P extends SignerPath>(
    path: P,
    handle: (body: SignerRequest<P>) => Promise<SignerResponse<P>>,
  ): [SignerPath, Route] => [path, { role: 'server', request: signerMessages[path].request, handle }];
  return [
    route('/v1/status', async () => input.status()),
    route('/v1/address', async (body) =>
      (evm.get(body.network) ?? walletOf(bitcoin, body.network).inForce()).address(body),
    ),
    route('/v1/sign/evm', async (body) =>
      recorded(body.network, digestsOf(body.intents), async () => walletOf(evm, body.network).sign(body)),
    ),
    route('/v1/sign/bitcoin/commit', async (body) =>
      recorded(body.network, digestsOf(body.intents), async () => walletOf(bitcoin, body.network).frost.commit(body)),
    ),
    route('/v1/sign/bitcoin/multisig', async (body) =>
      recorded(body.network, digestsOf(body.intents), async () => walletOf(bitcoin, body.network).multisig.sign(body)),
    ),
    route('/v1/sign/bitcoin/share', async ({ session, commitments }) => ({
      shares: await share(session, commitments),
    })),
    route('/v1/records', async (body) => ({ results: await acceptRecords({ ...records, recorded }, body.records) })),
    route('/v1/policy', async (body) =>
      recorded(
        allNetworks,
        () => [policyDigest(body.policy)],
        async () => acceptPolicy({ ...records, spread }, body),
      ),
    ),
    route('/v1/halt', async (body) =>
      recorded(
        allNetworks,
        () => [statementDigestHex('halt', body.statement)],
        async () => halts.halt(body),
      ),
    ),
    route('/v1/resume', async (body) =>
      recorded(
        allNetworks,
        () => [statementDigestHex('resume', body.statement)],
        async () => {
          await halts.resume(body);
          return {};
        },
      ),
    ),
    route('/v1/journal', async ({ after }) => feed.own(after)),
    route('/v1/request', async (body) => feed.request(body)),
  ];
}

function walletOf<T>(wallets: ReadonlyMap<string, T>, network: string): T {
  const wallet = wallets.get(network);
  if (!wallet) throw new Failure('unknown-network', `this signer has no such wallet: ${network}`);
  return wallet;
}
