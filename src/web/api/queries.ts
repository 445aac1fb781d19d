import { QueryCache, QueryClient, useMutation, useQuery, useQueryClient, type UseMutationResult, type UseQueryResult } from "@tanstack/react-query";
import type { Topic } from "../../management/api/sessions.ts";
import { ApiProblem, call } from "./client.ts";
import { isLive } from "./live.ts";

/** With a stream of changes polling only catches what the stream could not say; without one it is all there is. */
const POLL_LIVE_MS = 15_000;
const POLL_ALONE_MS = 3_000;

export const SESSION = ["session"] as const;

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that has ended while the page was open: back to the login.
    onError: (error, query) => {
      if (error instanceof ApiProblem && error.code === "unauthorized" && query.queryKey[0] !== SESSION[0]) void queryClient.invalidateQueries({ queryKey: SESSION });
    },
  }),
  defaultOptions: { queries: { retry: false, networkMode: "always", staleTime: 1_000, gcTime: 30 * 60_000 }, mutations: { networkMode: "always" } },
});

/** What the API answers to GET `path`, asked again whenever one of `topics` changes. Keeps what was last known when it fails. */
export function useApi<T>(path: string, topics: readonly Topic[], enabled = true): UseQueryResult<T> {
  return useQuery<T>({ queryKey: ["api", path], queryFn: () => call<T>("GET", path), meta: { topics }, enabled, refetchInterval: () => (isLive() ? POLL_LIVE_MS : POLL_ALONE_MS) });
}

/** Asks again what depends on one of the topics. */
export function refresh(topics: readonly Topic[]): void {
  void queryClient.invalidateQueries({ predicate: ({ meta }) => (meta?.["topics"] as readonly Topic[] | undefined)?.some((topic) => topics.includes(topic)) === true });
}

/** A change of the cluster; what depends on `topics` is asked again at once, whether it succeeded or its outcome is unknown. */
export function useChange<T, V>(run: (value: V) => Promise<T>, topics: readonly Topic[], done?: (answer: T, value: V) => void): UseMutationResult<T, Error, V> {
  const client = useQueryClient();
  return useMutation<T, Error, V>({
    mutationFn: run,
    onSuccess: (answer, value) => done?.(answer, value),
    onError: (error) => {
      if (error instanceof ApiProblem && error.code === "unauthorized") void client.invalidateQueries({ queryKey: SESSION });
    },
    onSettled: () => refresh(topics),
  });
}
