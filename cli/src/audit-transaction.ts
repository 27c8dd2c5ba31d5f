import type { TransactionFacts } from '@holdfast/core/audit/signer-files.ts';
import { encodeSegwit, parseBitcoinAddress } from '@holdfast/core/chains/bitcoin/address.ts';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { bitcoinParams, type BitcoinParams } from '@holdfast/core/chains/bitcoin/params.ts';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { guardOf } from '@holdfast/core/policy/guard-of.ts';
import { inspectSafeTransaction } from '@holdfast/core/chains/evm/inspect.ts';
import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmChainId, parseNetworkId } from '@holdfast/core/money/network.ts';
import type { BitcoinNetworkPolicy, EvmNetworkPolicy, NetworkPolicy } from '@holdfast/core/policy/policy.ts';
import type { SignBitcoinRequest, SignEvmRequest, SigningRequest } from '@holdfast/core/signing/messages.ts';

/**
 * What the raw bytes of a request do, by the inspectors and an auditor's own reading of the rules; nothing of the signer's
 * review is used. @throws Failure when a byte cannot be accounted for.
 */
export function readTransaction(request: SigningRequest, network: NetworkPolicy): TransactionFacts {
  if (request.family === 'evm' && network.family === 'evm') return readEvm(request.body, network);
  if (request.family === 'bitcoin' && network.family === 'bitcoin') return readBitcoin(request.body, network);
  throw new Failure('audit-invalid', `a request of the family ${request.family} for ${network.network}`);
}

function readEvm(request: SignEvmRequest, network: EvmNetworkPolicy): TransactionFacts {
  const tx = request.safe_transaction;
  const chainId = evmChainId(parseNetworkId(network.network));
  const tokens = network.assets.flatMap(({ contract }) => contract ?? []);
  const rules = { safe: network.safe, multiSend: network.multi_send, guard: guardOf(network), tokens };
  const found = isListedCall(request, network) ? [] : inspectSafeTransaction(tx, rules).payments;
  const assetOf = new Map(network.assets.map(({ asset, contract }) => [contract && parseEvmAddress(contract), asset]));
  const cold = new Set(network.cold_addresses.map((address) => parseEvmAddress(address)));
  return {
    txid: Buffer.from(safeTransactionHash({ chainId, safe: network.safe, tx })).toString('hex'),
    // One Safe executes each nonce once.
    conflictKeys: [`${network.network} ${network.safe.toLowerCase()} nonce ${tx.nonce}`],
    payments: found.map(({ contract, to, amount }) => {
      return { asset: assetOf.get(contract) ?? 'an asset that the policy lacks', target: to, address: to, amount };
    }),
    change: [],
    toCold: found.length > 0 && found.every(({ to }) => cold.has(to)),
    parseDestination: (text) => {
      const address = parseEvmAddress(text);
      return { address, target: address };
    },
  };
}

/** A call that pays nothing, listed by the policy; never of what holds or moves funds. */
function isListedCall({ safe_transaction: tx, intents, skim }: SignEvmRequest, network: EvmNetworkPolicy): boolean {
  const to = tx.to.toLowerCase();
  const money = [network.safe, network.multi_send, ...network.assets.flatMap(({ contract }) => contract ?? [])];
  if (intents.length > 0 || skim === true || tx.operation !== 0 || tx.value !== '0') return false;
  if (money.some((contract) => contract.toLowerCase() === to)) return false;
  return network.allowed_calls.some((call) => call.contract.toLowerCase() === to && tx.data.startsWith(call.selector));
}

function readBitcoin(request: SignBitcoinRequest, network: BitcoinNetworkPolicy): TransactionFacts {
  const params = bitcoinParams(network.network);
  const tx = inspectBitcoinTransaction(request.raw_tx);
  const changeAt = new Set(request.change.map(({ output }) => output));
  if (changeAt.size !== request.change.length || request.change.some(({ output }) => output >= tx.outputs.length)) {
    throw new Failure('change-not-ours', 'the request calls an output change twice, or one that is not there');
  }
  const cold = new Set(network.cold_addresses.map((address) => parseBitcoinAddress(address, params).script));
  const outputs = tx.outputs.map(({ script, amountSats }) => {
    return { asset: network.asset, target: script, address: addressOf(script, params), amount: amountSats };
  });
  const payments = outputs.filter((_, at) => !changeAt.has(at));
  return {
    txid: tx.txid,
    // A coin is spent once.
    conflictKeys: tx.inputs.map(({ txid, vout }) => `${txid}:${vout}`),
    payments,
    change: outputs.filter((_, at) => changeAt.has(at)),
    toCold: payments.length > 0 && payments.every(({ target }) => cold.has(target)),
    parseDestination: (text) => {
      const { address, script } = parseBitcoinAddress(text, params);
      return { address, target: script };
    },
  };
}

/** Segwit outputs by their address, BIP-350; others by their script. */
function addressOf(script: string, params: BitcoinParams): string {
  const match = /^(00|5[1-9a-f]|60)([0-9a-f]{2})([0-9a-f]*)$/.exec(script);
  const [, opcode = '', length = '', program = ''] = match ?? [];
  if (!match || program.length !== Number.parseInt(length, 16) * 2) return `script ${script}`;
  const version = opcode === '00' ? 0 : Number.parseInt(opcode, 16) - 0x50;
  return encodeSegwit({ prefix: params.bech32, version, program: Uint8Array.from(Buffer.from(program, 'hex')) });
}
