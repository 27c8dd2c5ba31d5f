import { setTimeout as sleep } from 'node:timers/promises';
import type { Customer } from '@holdfast/devnet/story/actors.ts';
import { fund, openBooks, type Books } from '../support/payouts.ts';
import { startSecondServer } from '../support/second-server.ts';
import { startSystem, type System } from '../support/system.ts';
import { createRandom, type Random } from './random.ts';

/** A running system with two servers, whose chains grow by themselves. */
export interface SoakStage {
  readonly system: System;
  readonly books: Books;
  readonly customers: readonly Customer[];
  /** Of the faults. The load draws from one of its own: how many draws it makes depends on the machine. */
  readonly random: Random;
  /** Runs alone among all that changes the EVM chain from outside: a reorg forgets what waits in the pool. */
  readonly evm: Exclusive;
  readonly bitcoin: Exclusive;
  /** No block from then on, and the server knows the last one: books can be compared with the chains. */
  standStill(): Promise<void>;
  stop(): Promise<void>;
}

type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

const customerCount = 4;
const blockMs = 400;

export async function startSoakStage(seed: number): Promise<SoakStage> {
  const system = await startSystem();
  try {
    const books = openBooks(system);
    await startSecondServer(system);
    const customers: Customer[] = [];
    for (let i = 0; i < customerCount; i++) {
      const customer = await system.newCustomer(`soak-${i}`);
      await fund(system, customer, { BTC: '2', ETH: '5', USDC: '5000', USDT: '5000' });
      customers.push(customer);
    }
    const [evm, bitcoin] = [oneAtATime(), oneAtATime()];
    const chains = [mining(() => evm(() => system.mineEvm())), mining(() => bitcoin(() => system.mineBitcoin()))];
    const endMining = async (): Promise<void> => void (await Promise.all(chains.map((end) => end())));
    return {
      system,
      books,
      customers,
      random: createRandom(seed),
      evm,
      bitcoin,
      standStill: async () => {
        await endMining();
        await system.followed();
      },
      stop: async () => {
        await endMining().catch(() => undefined);
        await books.close();
        await system.stop();
      },
    };
  } catch (error) {
    await system.stop();
    throw error;
  }
}

function oneAtATime(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** Blocks until it is ended. @returns a function that ends it, and throws what stopped it before. */
function mining(mine: () => Promise<void>): () => Promise<void> {
  let isOver = false;
  const done = (async () => {
    while (!isOver) {
      await mine();
      await sleep(blockMs);
    }
  })();
  done.catch(() => undefined);
  return () => {
    isOver = true;
    return done;
  };
}
