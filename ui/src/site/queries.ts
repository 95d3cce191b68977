// What the pages know of the server, kept fresh by TanStack Query.
import {
	MutationCache,
	QueryCache,
	QueryClient,
	queryOptions,
	useInfiniteQuery,
	useMutation,
	useQuery,
	useQueryClient,
} from "@tanstack/react-query";
import { ApiError, type ListKind, type MeetingInput, meetings, signIn, signOut, type User, whoAmI } from "./api.ts";

/** What a page knows. `signedOut` is called when the server knows the session no more. */
export function newQueryClient(signedOut: () => void): QueryClient {
	const onError = (e: Error) => {
		// 401 with another code is a wrong password.
		if (!(e instanceof ApiError && e.status === 401 && e.code !== 200)) return;
		client.setQueryData(sessionQuery.queryKey, null);
		signedOut();
	};
	const client: QueryClient = new QueryClient({
		queryCache: new QueryCache({ onError }),
		mutationCache: new MutationCache({ onError }),
		defaultOptions: {
			queries: {
				staleTime: 15_000,
				// A refusal stays one; only what did not get through is tried again.
				retry: (n, e) => n < 2 && (!(e instanceof ApiError) || e.status === 0 || e.status >= 502),
			},
		},
	});
	return client;
}

export const sessionQuery = queryOptions({ queryKey: ["session"], queryFn: whoAmI, staleTime: 60_000 });

export function useSession() {
	return useQuery(sessionQuery);
}

export function useSignIn() {
	const client = useQueryClient();
	return useMutation({
		mutationFn: (c: { email: string; password: string }) => signIn(c.email, c.password),
		onSuccess: (user: User) => client.setQueryData(sessionQuery.queryKey, user),
	});
}

export function useSignOut() {
	const client = useQueryClient();
	return useMutation({
		mutationFn: signOut,
		onSuccess: () => {
			client.clear();
			client.setQueryData(sessionQuery.queryKey, null);
		},
	});
}

export function useMeetings(kind: ListKind) {
	return useInfiniteQuery({
		queryKey: ["meetings", "list", kind],
		queryFn: ({ pageParam }) => meetings.list(kind, pageParam),
		initialPageParam: "",
		getNextPageParam: last => last.next_page_token || undefined,
		refetchInterval: kind === "live" ? 20_000 : false,
	});
}

export const meetingQuery = (id: number) =>
	queryOptions({ queryKey: ["meetings", "one", id], queryFn: () => meetings.get(id) });

/** A change to meetings: all lists are asked for again after it. */
function useChange<In, Out>(mutationFn: (x: In) => Promise<Out>) {
	const client = useQueryClient();
	return useMutation({ mutationFn, onSettled: () => client.invalidateQueries({ queryKey: ["meetings"] }) });
}

export const useCreateMeeting = () => useChange((input: MeetingInput) => meetings.create(input));
export const useChangeMeeting = () =>
	useChange((x: { id: number; input: MeetingInput }) => meetings.change(x.id, x.input));
export const useRemoveMeeting = () => useChange((id: number) => meetings.remove(id));
export const useRecoverMeeting = () => useChange((id: number) => meetings.recover(id));
export const useEndMeeting = () => useChange((id: number) => meetings.end(id));
