import Type, { type Static } from 'typebox';

/** What a listed network or asset was found to be; docs/how-to/add-an-evm-network-or-token.md. */
export const ListingCheckResource = Type.Object({
  object: Type.Literal('listing_check'),
  network: Type.String(),
  /** Null for what concerns the whole network. */
  asset: Type.Union([Type.String(), Type.Null()]),
  check: Type.String(),
  /** `note`: nothing that a program can decide. */
  result: Type.Union([Type.Literal('ok'), Type.Literal('failed'), Type.Literal('note')]),
  detail: Type.String(),
  /** Empty where it is ok. */
  fix: Type.String(),
});
export type ListingCheckResource = Static<typeof ListingCheckResource>;
