import { Failure } from '@holdfast/core/failure.ts';
import {
  signerMessages,
  type SignerPath,
  type SignerRequest,
  type SignerResponse,
  type SignerStatus,
} from '@holdfast/core/signing/messages.ts';
import type { SigningSessions } from './keys/signing-sessions.ts';
import type { Route } from './transport/pinned-server.ts';
import type { BitcoinWallet } from './wallets/bitcoin-wallet.ts';
import type { EvmWallet } from './wallets/evm-wallet.ts';
import { refusalRecorder, type WalletDeps } from './wallets/wallet.ts';

/** What the server may ask; see core/signing/messages.ts. */
export function walletRoutes(input: {
  readonly status: () => SignerStatus;
  readonly evm: ReadonlyMap<string, EvmWallet>;
  readonly bitcoin: ReadonlyMap<string, BitcoinWallet>;
  readonly sessions: SigningSessions;
  readonly deps: WalletDeps;
}): [SignerPath, Route][] {
  const { evm, bitcoin, sessions } = input;
  const recorded = refusalRecorder(input.deps);
  const route = <P extends SignerPath>(
    path: P,
    handle: (body: SignerRequest<P>) => Promise<SignerResponse<P>>,
  ): [SignerPath, Route] => [path, { role: 'server', request: signerMessages[path].request, handle }];
  return [
    route('/v1/status', async () => input.status()),
    route('/v1/address', async (body) => (evm.get(body.network) ?? walletOf(bitcoin, body.network)).address(body)),
    route('/v1/sign/evm', async (body) =>
      recorded(body.network, body.intents, async () => walletOf(evm, body.network).sign(body)),
    ),
    route('/v1/sign/bitcoin/commit', async (body) =>
      recorded(body.network, body.intents, async () => walletOf(bitcoin, body.network).commit(body)),
    ),
    route('/v1/sign/bitcoin/share', async ({ session, commitments }) => ({
      shares: sessions.share(session, commitments),
    })),
  ];
}

function walletOf<T>(wallets: ReadonlyMap<string, T>, network: string): T {
  const wallet = wallets.get(network);
  if (!wallet) throw new Failure('unknown-network', `this signer has no such wallet: ${network}`);
  return wallet;
}
