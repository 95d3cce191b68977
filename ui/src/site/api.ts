// The site's REST API: who is signed in, and their meetings. The session is a cookie no script can read.

export type User = {
	id: string;
	email: string;
	first_name: string;
	last_name: string;
	display_name: string;
	role_name: string;
	timezone: string;
};

export type MeetingSettings = {
	host_video: boolean;
	participant_video: boolean;
	join_before_host: boolean;
	mute_upon_entry: boolean;
	waiting_room: boolean;
};

/** The types of meeting: see instant, scheduled, recurring in the API. */
export const meetingType = { instant: 1, scheduled: 2, anytime: 3, recurring: 8 } as const;

/** A meeting in a list. */
export type MeetingRow = {
	uuid: string;
	id: number;
	topic: string;
	type: number;
	start_time?: string;
	duration: number;
	timezone: string;
	agenda?: string;
	join_url: string;
};

export type Meeting = MeetingRow & {
	host_email: string;
	status: string;
	password: string;
	settings: MeetingSettings;
};

export type MeetingPage = { meetings: MeetingRow[]; next_page_token: string; total_records: number };

/** What is sent to create or change a meeting. */
export type MeetingInput = {
	topic?: string;
	type?: number;
	start_time?: string;
	duration?: number;
	timezone?: string;
	agenda?: string;
	password?: string;
	settings?: Partial<MeetingSettings>;
};

export type FieldFault = { field: string; message: string };

/** A request the server refused, or that did not reach it (status 0). */
export class ApiError extends Error {
	readonly status: number;
	readonly code: number;
	readonly fields: readonly FieldFault[];
	/** Seconds to wait, where the server says so. */
	readonly retryAfter: number;

	constructor(status: number, code: number, message: string, fields: readonly FieldFault[] = [], retryAfter = 0) {
		super(message);
		this.name = "ApiError";
		this.status = status;
		this.code = code;
		this.fields = fields;
		this.retryAfter = retryAfter;
	}
}

type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

async function request<Answer>(method: Method, path: string, body?: unknown): Promise<Answer> {
	let answer: Response;
	try {
		answer = await fetch(path, {
			method,
			credentials: "same-origin",
			cache: "no-store",
			referrerPolicy: "no-referrer",
			...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
		});
	} catch {
		throw new ApiError(0, 0, "the server cannot be reached");
	}
	if (!answer.ok) throw await refusal(answer);
	if (answer.status === 204) return undefined as Answer;
	return (await answer.json()) as Answer;
}

async function refusal(answer: Response): Promise<ApiError> {
	const retry = Number(answer.headers.get("Retry-After") ?? 0) || 0;
	try {
		const { code, message, errors } = (await answer.json()) as {
			code?: number;
			message?: string;
			errors?: FieldFault[];
		};
		return new ApiError(answer.status, code ?? 0, message ?? "", errors ?? [], retry);
	} catch {
		return new ApiError(answer.status, 0, "", [], retry);
	}
}

/** The account that is signed in; null if none is. */
export async function whoAmI(): Promise<User | null> {
	return (await request<{ user: User | null }>("GET", "/api/v1/session")).user;
}

export async function signIn(email: string, password: string): Promise<User> {
	return (await request<{ user: User }>("POST", "/api/v1/session", { email, password })).user;
}

export async function signOut(): Promise<void> {
	try {
		await request<void>("DELETE", "/api/v1/session");
	} catch (e) {
		if (!(e instanceof ApiError && e.status === 401)) throw e; // 401: signed out already
	}
}

export type ListKind = "scheduled" | "live" | "previous_meetings";

export const meetings = {
	list: (kind: ListKind, token = "") =>
		request<MeetingPage>(
			"GET",
			`/v2/users/me/meetings?type=${kind}&page_size=50${token && `&next_page_token=${encodeURIComponent(token)}`}`,
		),
	get: (id: number) => request<Meeting>("GET", `/v2/meetings/${id}`),
	create: (input: MeetingInput) => request<Meeting>("POST", "/v2/users/me/meetings", input),
	change: (id: number, input: MeetingInput) => request<void>("PATCH", `/v2/meetings/${id}`, input),
	remove: (id: number) => request<void>("DELETE", `/v2/meetings/${id}`),
	recover: (id: number) => request<void>("PUT", `/v2/meetings/${id}/status`, { action: "recover" }),
	end: (id: number) => request<void>("PUT", `/v2/meetings/${id}/status`, { action: "end" }),
};
