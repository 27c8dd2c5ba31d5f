import { behindMax, type EndpointHeight, quorumHeight } from '@holdfast/core/chains/endpoint-heights.ts';
import { type EndpointAnswer, tallyAnswers } from '@holdfast/core/chains/quorum-answer.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { type RpcEndpoint, RpcError } from './json-rpc.ts';

/**
 * `counted`: its answers count. `ahead`: they do, and it reports blocks that no quorum has. `away`: it gives none, or fails at
 * one kind of question again and again. `behind`: it lacks blocks that a quorum has. `set-aside`: it contradicted a quorum or its own block header, and is not asked again until
 * it has agreed for `returnAfterBlocks` blocks.
 */
export type Standing = 'counted' | 'ahead' | 'away' | 'behind' | 'set-aside';

export interface EndpointState {
  readonly name: string;
  readonly standing: Standing;
  readonly height: number | null;
  /** Why it does not count; null for one that does. */
  readonly detail: string | null;
}

interface Seat {
  readonly name: string;
  readonly endpoint: RpcEndpoint;
  height: number | null;
  away: string | null;
  lied: { readonly detail: string; agreesSince: number | null } | null;
  /** Failures one after the other, by kind of question. */
  readonly troubles: Map<string, { count: number; detail: string }>;
}

/** A node may be asked for a block that has not reached it yet. */
const troublesMax = 5;
/** Kinds of question that every block brings: an endpoint that fails at others is asked again too seldom to tell. */
const routine: ReadonlySet<string> = new Set(['hash', 'content']);

/** Blocks for which an endpoint that was set aside must agree at the least. */
const returnMin = 6;

/** As many as make a transaction of ours final: what it says is that old then. */
export function returnAfterBlocks(finalConfirmations: number): number {
  return Math.max(returnMin, finalConfirmations);
}

export interface EndpointsOptions {
  /** So many must say the same; more than half of the endpoints. */
  readonly quorum: number;
  /** Blocks for which one that was set aside must agree before it counts again. */
  readonly returnAfterBlocks: number;
  readonly heightOf: (endpoint: RpcEndpoint) => Promise<number>;
  readonly hashOf: (endpoint: RpcEndpoint, height: number) => Promise<string>;
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const shown = (answer: unknown): string => String(JSON.stringify(answer)).slice(0, 100);

/**
 * The endpoints of one network, of which a quorum must say the same before anything counts; there is no falling back to
 * fewer. Which of them count is remembered by this process only: each answer is counted anew, so safety never rests on it.
 */
export function openEndpoints(list: readonly RpcEndpoint[], options: EndpointsOptions) {
  const { quorum } = options;
  const seats = list.map((endpoint, at): Seat => {
    const isTaken = list.slice(0, at).some(({ name }) => name === endpoint.name);
    const name = isTaken ? `${endpoint.name}#${at + 1}` : endpoint.name;
    return { name, endpoint, height: null, away: null, lied: null, troubles: new Map() };
  });

  const standingOf = (seat: Seat): EndpointState => {
    const { name, height } = seat;
    const state = (standing: Standing, detail: string | null): EndpointState => ({ name, standing, height, detail });
    if (seat.lied) return state('set-aside', seat.lied.detail);
    if (seat.away !== null) return state('away', seat.away);
    const known = knownHeights();
    const level = quorumHeight(known, quorum);
    if (level !== null && height !== null && Math.abs(height - level) > behindMax) {
      const detail = `${name} is at block ${height}, a quorum at block ${level}`;
      if (height < level) return state('behind', detail);
      // Where every one is needed, it is those below that hold it up.
      if (known.length > quorum) return state('ahead', detail);
    }
    const stuck = [...seat.troubles.values()].find(({ count }) => count >= troublesMax);
    return stuck ? state('away', stuck.detail) : state('counted', null);
  };
  const knownHeights = (): EndpointHeight[] =>
    seats.flatMap(({ name, lied, away, height }) =>
      lied || away !== null || height === null ? [] : [{ endpoint: name, height }],
    );
  /** Asked also while it fails at one kind of question: it may be able to answer another. */
  const asked = (): Seat[] => {
    const level = quorumHeight(knownHeights(), quorum);
    return seats.filter(
      ({ lied, away, height }) =>
        !lied && away === null && (level === null || height === null || height >= level - behindMax),
    );
  };

  function setAside(seat: Seat, detail: string): void {
    seat.lied = { detail, agreesSince: null };
  }

  /** Why the others do not count, for the message of a lost quorum. */
  const others = (): string[] => seats.map(standingOf).flatMap(({ detail }) => (detail === null ? [] : [detail]));

  function lost(what: string, said: readonly string[]): Failure {
    const all = [...new Set([...said, ...others()])].join('; ');
    return new Failure('node-quorum-lost', `${what}: fewer than ${quorum} of ${seats.length} endpoints agree: ${all}`);
  }

  /** One endpoint's failure to answer. @throws what is no matter of endpoints. */
  function noteFailure(seat: Seat, kind: string, error: unknown): void {
    const code = error instanceof Failure ? error.code : error instanceof RpcError ? 'refused' : null;
    if (code === 'node-proof-invalid' || code === 'node-disagreement')
      return setAside(seat, `${seat.name} gave a false proof: ${textOf(error)}`);
    if (code !== 'node-unavailable' && code !== 'refused') throw error;
    if (!routine.has(kind)) return;
    const count = (seat.troubles.get(kind)?.count ?? 0) + 1;
    seat.troubles.set(kind, { count, detail: `${seat.name}: ${textOf(error)}` });
  }

  async function outcomes<T>(kind: string, of: readonly Seat[], ask: (endpoint: RpcEndpoint) => Promise<T>) {
    const settled = await Promise.allSettled(of.map(({ endpoint }) => ask(endpoint)));
    const answers: (EndpointAnswer<T> & { readonly seat: Seat })[] = [];
    const refusals: RpcError[] = [];
    const said: string[] = [];
    for (const [at, outcome] of settled.entries()) {
      const seat = of[at]!;
      if (outcome.status === 'fulfilled') {
        seat.troubles.delete(kind);
        answers.push({ seat, endpoint: seat.name, answer: outcome.value });
        continue;
      }
      if (outcome.reason instanceof RpcError) refusals.push(outcome.reason);
      noteFailure(seat, kind, outcome.reason);
      said.push(`${seat.name}: ${textOf(outcome.reason)}`);
    }
    return { answers, refusals, said };
  }

  return {
    quorum,
    states: (): EndpointState[] => seats.map(standingOf),

    /** Highest block of each endpoint that counts. @throws Failure node-quorum-lost when those are too few. */
    async heights(): Promise<EndpointHeight[]> {
      await Promise.all(asked().map((seat) => readHeight(seat)));
      const known = knownHeights();
      if (known.length < quorum) throw lost('height', []);
      return known;
    },

    /** The highest block that a quorum has. @throws Failure node-quorum-lost. */
    async height(): Promise<number> {
      return quorumHeight(await this.heights(), quorum) ?? 0;
    },

    /**
     * What a quorum says. One that says something else about what is fixed is set aside.
     * @param kind of the question, for telling an endpoint that cannot answer it.
     * @param isFixed false for what is read at an endpoint's newest block, where honest ones differ for moments.
     * @throws Failure node-quorum-lost with what each said; RpcError when a quorum refuses.
     */
    async agree<T>(kind: string, what: string, ask: (endpoint: RpcEndpoint) => Promise<T>, isFixed = true): Promise<T> {
      const { answers, refusals, said } = await outcomes(kind, asked(), ask);
      const tally = tallyAnswers(answers);
      if (tally && tally.agreeing.length >= quorum) {
        const others = `${tally.agreeing.join(', ')} say ${shown(tally.answer)}`;
        for (const { endpoint, answer } of isFixed ? tally.differing : []) {
          const seat = seats.find(({ name }) => name === endpoint)!;
          setAside(seat, `${endpoint} says ${shown(answer)} about the ${what}, ${others}`);
        }
        return tally.answer;
      }
      if (refusals.length >= quorum) throw refusals[0]!;
      throw lost(what, [...answers.map(({ endpoint, answer }) => `${endpoint} says ${shown(answer)}`), ...said]);
    },

    /**
     * What a quorum answers each in its own way (fees, estimates): at least so many answers.
     * @throws Failure node-quorum-lost; RpcError when a quorum refuses.
     */
    async each<T>(kind: string, ask: (endpoint: RpcEndpoint) => Promise<T>): Promise<T[]> {
      const { answers, refusals, said } = await outcomes(kind, asked(), ask);
      if (answers.length >= quorum) return answers.map(({ answer }) => answer);
      if (refusals.length >= quorum) throw refusals[0]!;
      throw lost(kind, said);
    },

    /**
     * The first answer that proves itself against what a quorum agreed on. One with a false proof is set aside.
     * @param read one endpoint's answer, verified. @throws Failure node-quorum-lost when nobody proves it.
     */
    async prove<T>(kind: string, what: string, read: (endpoint: RpcEndpoint) => Promise<T>): Promise<T> {
      const said: string[] = [];
      const able = asked();
      if (able.length < quorum) throw lost(what, []);
      for (const seat of able) {
        const found = await outcomes(kind, [seat], read);
        const [answer] = found.answers;
        if (answer) return answer.answer;
        said.push(...found.said);
      }
      throw lost(what, said);
    },

    /** Looks at those that do not count: who answers again, who is level again, who has agreed for long enough. */
    async review(): Promise<void> {
      await Promise.all(seats.map((seat) => readHeight(seat)));
      if (!seats.some(({ lied }) => lied)) return;
      const present = seats.filter(({ away, height }) => away === null && height !== null);
      const level = quorumHeight(
        present.map(({ height }) => ({ height: height ?? 0 })),
        quorum,
      );
      if (level === null) return;
      const { answers } = await outcomes(
        'review',
        present.filter(({ height }) => (height ?? 0) >= level),
        (endpoint) => options.hashOf(endpoint, level),
      );
      const tally = tallyAnswers(answers);
      if (!tally || tally.agreeing.length < quorum) return;
      for (const seat of seats) {
        if (!seat.lied) continue;
        if (!tally.agreeing.includes(seat.name)) seat.lied.agreesSince = null;
        else seat.lied.agreesSince ??= level;
        const { agreesSince } = seat.lied;
        if (agreesSince !== null && level - agreesSince >= options.returnAfterBlocks) seat.lied = null;
      }
    },
  };

  async function readHeight(seat: Seat): Promise<void> {
    try {
      seat.height = await options.heightOf(seat.endpoint);
      seat.away = null;
    } catch (error) {
      if (!(error instanceof Failure || error instanceof RpcError)) throw error;
      seat.away = textOf(error).includes(seat.endpoint.name) ? textOf(error) : `${seat.name}: ${textOf(error)}`;
    }
  }
}
export type Endpoints = ReturnType<typeof openEndpoints>;
