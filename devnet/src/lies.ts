import type { Lie } from './proxy.ts';

/** Applies lies one after the other. */
export function allOf(...lies: readonly Lie[]): Lie {
  return (method, params, result) => lies.reduce((told, lie) => lie(method, params, told), result);
}

/**
 * One block of a Bitcoin node goes by another hash: `getblockhash <height>` and every place where the true hash would
 * show. A block asked for by the false hash is not found, as with a node that made it up.
 * @param height of the block; `hash` 64 hex digits.
 */
export function bitcoinBlockHash(height: number, hash: string): Lie {
  let trueHash: string | undefined;
  return (method, params, result) => {
    if (method === 'getblockhash' && params[0] === height && typeof result === 'string') {
      trueHash = result;
    } else if (isRecord(result) && result['height'] === height && typeof result['hash'] === 'string') {
      trueHash = result['hash'];
    }
    return trueHash === undefined ? result : replaced(result, trueHash, hash);
  };
}

/**
 * One block of an EVM node goes by another hash, wherever the true one would show.
 * @param height of the block; `hash` 0x and 64 hex digits.
 */
export function evmBlockHash(height: number, hash: string): Lie {
  const number = `0x${height.toString(16)}`;
  let trueHash: string | undefined;
  return (_method, _params, result) => {
    if (isRecord(result) && result['number'] === number && typeof result['hash'] === 'string')
      trueHash = result['hash'];
    return trueHash === undefined ? result : replaced(result, trueHash, hash);
  };
}

/** A Bitcoin node that stands still: it reports no block above the height. */
export function bitcoinStuckAt(height: number): Lie {
  let hash: unknown;
  return (method, params, result) => {
    if (method === 'getblockhash' && params[0] === height) hash = result;
    if (method === 'getblockcount') return Math.min(Number(result), height);
    if (method === 'getblockchaininfo' && isRecord(result) && Number(result['blocks']) > height) {
      return { ...result, blocks: height, headers: height, ...(hash === undefined ? {} : { bestblockhash: hash }) };
    }
    if (method === 'getblockhash' && Number(params[0]) > height) return null;
    return result;
  };
}

/** An EVM node that stands still: it reports no block above the height. */
export function evmStuckAt(height: number): Lie {
  return (method, _params, result) => {
    if (method === 'eth_blockNumber') return `0x${Math.min(Number(result), height).toString(16)}`;
    if (method.startsWith('eth_getBlockBy') && isRecord(result) && Number(result['number']) > height) return null;
    return result;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function replaced(value: unknown, from: string, to: string): unknown {
  if (value === from) return to;
  if (Array.isArray(value)) return value.map((item) => replaced(item, from, to));
  if (!isRecord(value) || Object.isFrozen(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item, from, to)]));
}
