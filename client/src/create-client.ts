import type { DepositAddressResource, EventResource } from '@holdfast/core/contract/resources.ts';
import type { Route } from '@holdfast/core/contract/route.ts';
import { type RouteInput, type RouteName, type RouteOutput, routes } from '@holdfast/core/contract/routes.ts';
import { ed25519PrivateKey, type PrivateKey } from './keys.ts';
import { readEvents, type ReadEventsOptions } from './read-events.ts';
import { type PinnedSigners, verifyDepositAddress } from './verify-deposit-address.ts';
import { type Connection, type RequestOptions, send } from './send.ts';

export interface ClientOptions {
  /** `https://wallet.example`, as the server knows itself. */
  readonly baseUrl: string;
  readonly keyId: string;
  readonly privateKey: PrivateKey;
  /** UTC milliseconds; the machine's clock when not given. */
  readonly now?: () => number;
  readonly fetch?: typeof fetch;
  /** Who vouches for deposit addresses; without it the client hands none out. */
  readonly attestation?: PinnedSigners;
  /** Of one request; 30,000 when not given. */
  readonly timeoutMs?: number;
}

type Call<N extends RouteName> =
  object extends RouteInput<N>
    ? (input?: RouteInput<N>, options?: RequestOptions) => Promise<RouteOutput<N>>
    : (input: RouteInput<N>, options?: RequestOptions) => Promise<RouteOutput<N>>;

type ListName = { [N in RouteName]: RouteOutput<N> extends { object: 'list' } ? N : never }[RouteName];
type ItemOf<N extends ListName> = RouteOutput<N> extends { data: (infer T)[] } ? T : never;

/** One method a route of the contract; each throws Failure (see send.ts). */
export type Client = { readonly [N in RouteName]: Call<N> } & {
  /** Every item of a list, page by page: `for await (const deposit of client.each('listDeposits', { customer }))`. */
  each<N extends ListName>(
    list: N,
    input?: RouteInput<N>,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<ItemOf<N>, void>;
  /** Events as they happen. */
  events(options?: ReadEventsOptions): AsyncGenerator<EventResource, void>;
};

/** A client of the API. It signs every request and makes an Idempotency-Key for a POST that is given none. */
export function createClient(options: ClientOptions): Client {
  const connection: Connection = {
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
    signer: { keyId: options.keyId, key: ed25519PrivateKey(options.privateKey) },
    now: options.now ?? Date.now,
    fetch: options.fetch ?? fetch,
    timeoutMs: options.timeoutMs ?? 30_000,
    random: Math.random,
  };
  const calls = Object.fromEntries(
    Object.entries(routes as Record<string, Route>).map(([name, route]) => [
      name,
      (input: Record<string, unknown> = {}, request: RequestOptions = {}) => send(connection, route, input, request),
    ]),
  );
  const pinned = options.attestation;
  return {
    ...calls,
    ...attestedCalls(calls as unknown as Client, pinned),
    each: (list: ListName, input: object = {}, request: { signal?: AbortSignal } = {}) =>
      eachOf(
        connection,
        routes[list],
        { ...input },
        list === 'listDepositAddresses'
          ? { ...request, check: (item) => verifyDepositAddress(item as DepositAddressResource, pinned, input) }
          : request,
      ),
    events: (read: ReadEventsOptions = {}) => readEvents(connection, read),
  } as unknown as Client;
}

/** Whoever owns the API host can answer with an address of their own: only what pinned signers vouch for is passed on. */
function attestedCalls(
  calls: Client,
  pinned: PinnedSigners | undefined,
): Pick<Client, 'issueDepositAddress' | 'getDepositAddress' | 'listDepositAddresses'> {
  return {
    issueDepositAddress: async (input, request) => {
      const address = await calls.issueDepositAddress(input, request);
      verifyDepositAddress(address, pinned, input);
      return address;
    },
    getDepositAddress: async (input, request) => {
      const address = await calls.getDepositAddress(input, request);
      verifyDepositAddress(address, pinned, input);
      return address;
    },
    listDepositAddresses: async (input = {}, request) => {
      const list = await calls.listDepositAddresses(input, request);
      for (const address of list.data) verifyDepositAddress(address, pinned, input);
      return list;
    },
  };
}

async function* eachOf(
  connection: Connection,
  route: Route,
  input: Record<string, unknown>,
  { check, ...options }: RequestOptions & { check?: (item: unknown) => void },
): AsyncGenerator<unknown, void> {
  let cursor = input['cursor'];
  do {
    const page = (await send(connection, route, { ...input, cursor }, options)) as {
      data: unknown[];
      next_cursor: string | null;
    };
    if (check) page.data.forEach(check);
    yield* page.data;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
