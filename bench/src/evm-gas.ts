import { buildWithdrawalBatch, type WithdrawalLeg } from '@holdfast/core/chains/evm/build.ts';
import { invariant } from '@holdfast/core/invariant.ts';
import { baseUnits } from '@holdfast/core/money/base-units.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { devnetAbi, toHex } from '@holdfast/devnet/evm/abi.ts';
import { deployVault, type EvmDeployment } from '@holdfast/devnet/evm/deploy-vault.ts';
import { waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { signedSafeCall } from '@holdfast/devnet/evm/sign-safe-call.ts';
import { startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { tableOf, type BenchResult } from './result.ts';

const payouts = 50;
const ownerKeys = [1, 2, 3].map((at) => `0x${String(at).padStart(64, '0')}`);

/** Gas a payout of a vault batch beside a transfer of an ordinary account, to recipients that hold the asset and that do not. */
export async function run(): Promise<BenchResult[]> {
  const node = await startAnvil();
  try {
    return await measure(node.url);
  } finally {
    await node.stop();
  }
}

async function measure(rpcUrl: string): Promise<BenchResult[]> {
  const owners = ownerKeys.map(addressOfKey);
  const deployment = await deployVault({
    rpcUrl,
    deployerKey: devnetKeys.deployer,
    owners,
    coldOwners: owners,
    coldThreshold: 2,
  });
  const { safe, usdc } = deployment;
  const fund = await sendEth({ rpcUrl, to: safe, amountWei: 10n ** 20n });
  await waitForReceipt(rpcUrl, fund);
  for (const to of [safe, addressOfKey(devnetKeys.faucet)]) {
    await waitForReceipt(rpcUrl, await mintAndSendUsdc({ rpcUrl, usdc, to, amount: 10n ** 12n }));
  }
  const measured: BenchResult[] = [];
  let nonce = 0n;
  for (const [asset, contract] of [
    ['ETH', null],
    ['USDC-like', usdc],
  ] as const) {
    const recipients = Array.from({ length: payouts }, (_, at) => freshAddress(asset.length * 1_000 + at));
    const single = freshAddress(asset.length * 1_000 + payouts);
    // The first round pays addresses that hold nothing of the asset, the second pays the same ones again.
    for (const state of ['new', 'existing']) {
      const account = await gasOfTransfer(rpcUrl, contract, single);
      const legs = recipients.map((to) => legOf(contract, to));
      const batch = await gasOfBatch({ rpcUrl, deployment, legs, nonce: nonce++ });
      measured.push({
        name: `${asset} batch of ${payouts} to ${state} holders, a payout`,
        value: Math.round(batch / payouts),
        unit: 'gas',
        note: `${(batch / payouts / account).toFixed(2)}x a transfer of an ordinary account (${account})`,
      });
    }
  }
  return measured;
}

/** An address of nobody, without code. */
function freshAddress(index: number): string {
  return addressOfKey(`0x${(0xbe0000 + index).toString(16).padStart(64, '0')}`);
}

function legOf(contract: string | null, to: string): WithdrawalLeg {
  const amount = baseUnits(1_000n);
  return contract === null ? { kind: 'native', to, amount } : { kind: 'erc20', contract, to, amount };
}

async function gasOfTransfer(rpcUrl: string, contract: string | null, to: string): Promise<number> {
  const call =
    contract === null
      ? { to, valueWei: 1_000n }
      : { to: contract, data: toHex(devnetAbi.transfer.encodeInput({ to, amount: 1_000n })) };
  const receipt = await sendAndWait({ rpcUrl, key: devnetKeys.faucet, ...call });
  return Number(receipt.gasUsed);
}

async function gasOfBatch(input: {
  rpcUrl: string;
  deployment: EvmDeployment;
  legs: readonly WithdrawalLeg[];
  nonce: bigint;
}): Promise<number> {
  const { rpcUrl, deployment } = input;
  const { safe, multiSend, chainId } = deployment;
  const tx = buildWithdrawalBatch({ legs: input.legs, nonce: input.nonce, multiSend });
  const data = signedSafeCall({ chainId, safe, tx, keys: ownerKeys.slice(0, 2) });
  const receipt = await sendAndWait({ rpcUrl, key: devnetKeys.spare, to: safe, data });
  invariant(receipt.logs.length > 0, 'the Safe reports every execution');
  return Number(receipt.gasUsed);
}

if (import.meta.main) process.stdout.write(`${tableOf(await run())}\n`);
