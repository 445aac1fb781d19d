import { useQuery } from "@tanstack/react-query";
import { createContext, useContext, type ReactNode } from "react";
import type { SessionAnswer } from "../management/api/users.ts";
import { ApiProblem, call } from "./api/client.ts";
import { SESSION } from "./api/queries.ts";

const SessionContext = createContext<SessionAnswer | null>(null);

export function SessionProvider({ session, children }: { readonly session: SessionAnswer; readonly children: ReactNode }): ReactNode {
  return <SessionContext value={session}>{children}</SessionContext>;
}

/** Who is logged in. Only below a SessionProvider. */
export function useSession(): SessionAnswer {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("there is no session here");
  return session;
}

/** Whether changes may be offered: a viewer sees no action that it cannot do. */
export function useMayChange(): boolean {
  return useSession().role === "administrator";
}

export type SessionState =
  | { readonly kind: "loading" }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly error: Error; readonly again: () => void }
  | { readonly kind: "here"; readonly session: SessionAnswer };

const ASK_EVERY_MS = 60_000;
const ASK_AGAIN_MS = 3_000;

/** A server that falls silent does not end the session: what is known stays on the screen. */
export function useSessionState(): SessionState {
  const { data, error, refetch } = useQuery<SessionAnswer | null>({
    queryKey: SESSION,
    queryFn: async () => {
      try {
        return await call<SessionAnswer>("GET", "/session");
      } catch (thrown) {
        if (thrown instanceof ApiProblem && thrown.status === 401) return null;
        throw thrown;
      }
    },
    refetchInterval: (query) => (query.state.data === undefined ? ASK_AGAIN_MS : ASK_EVERY_MS),
  });
  if (data) return { kind: "here", session: data };
  if (data === null) return { kind: "none" };
  if (error) return { kind: "failed", error, again: () => void refetch() };
  return { kind: "loading" };
}
