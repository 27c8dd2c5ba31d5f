import type { PinnedEndpoint, PinnedPost } from '@holdfast/transport/pinned-post.ts';
import { network } from '../world/machines.ts';

export type { PinnedEndpoint, PinnedPost };

/** In place of transport/src/pinned-post.ts. */
export function createPinnedPost({ url, timeoutMs }: PinnedEndpoint): PinnedPost {
  const host = new URL(url).hostname;
  return { post: (path, body) => network().post(host, path, body, timeoutMs), close: () => undefined };
}
