// Generated from wire/proto by go generate. Do not edit.

/**
 * Version is the protocol version this build speaks. A peer one version away works together with it;
 * anything further apart is refused with CodeTooOld (S41).
 */
export const Version = 1;
/** MaxMessageLen bounds one control message of a client and every JSON request body, in bytes. */
export const MaxMessageLen = 65536;
/**
 * MaxServerMessageLen bounds one message of a router, in bytes: the Welcome of a large meeting
 * carries its roster and its chat.
 */
export const MaxServerMessageLen = 1048576;

/** MeetingID is the identity of one meeting: 16 random bytes, written as 22 base64url characters. */
export type MeetingID = string;

/**
 * ParticipantID names one seat of a meeting. 29 bits, never 0, unique in the meeting, fixed by the
 * meeting token and never by a router.
 */
export type ParticipantID = number;

/** MaxParticipantID is the largest participant id: 29 bits, so that a SourceID holds it with its kind. */
export const MaxParticipantID: ParticipantID = 536870911;

/**
 * SourceID names one thing a participant sends: participant id << 3 | kind. It is the CSRC of every
 * packet a router forwards, and never 0 for a real source.
 */
export type SourceID = number;

/** Kind says what a source carries. */
export const Kind = {
	/** microphone */
	Audio: 0,
	/** camera */
	Video: 1,
	/** shared screen */
	Content: 2,
	/** sound of the shared screen */
	ContentAudio: 3,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];
export const NKinds = 4;

/**
 * Group is one of the three media transports of a participant, each with its own five-tuple,
 * ICE credentials, DTLS association and DSCP mark (S11, S12).
 */
export const Group = {
	Audio: 0,
	Video: 1,
	Content: 2,
} as const;
export type Group = (typeof Group)[keyof typeof Group];
export const NGroups = 3;

/** Rung is one step of the media ladder of S11, best first. */
export const Rung = {
	UDP8801: "udp-8801",
	TCP8801: "tcp-8801",
	TLS443: "tls-443",
} as const;
export type Rung = (typeof Rung)[keyof typeof Rung];

/**
 * Role is what a participant may do in a meeting. The token fixes it at entry; a host may change it
 * while the meeting runs.
 */
export const Role = {
	Host: "host",
	Cohost: "cohost",
	Participant: "participant",
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Code says what went wrong, for a program. Texts are for people and may change; codes do not. */
export const Code = {
	/** malformed; nothing was done */
	BadRequest: "bad_request",
	/** unknown message type; not fatal */
	Unsupported: "unsupported",
	/** unknown number *or* wrong passcode: the same answer (S37) */
	NoSuchMeeting: "no_such_meeting",
	/** too many tries; RetryAfter says how long to wait */
	SlowDown: "slow_down",
	/** as many people as the meeting may have */
	Full: "meeting_full",
	/** the router takes no more; ask for a route again */
	RouterFull: "router_full",
	/** no router of the zone is alive */
	NoRouter: "no_router",
	/** the host has locked the meeting */
	Locked: "meeting_locked",
	/** the host has ended it, or it is over */
	Ended: "meeting_ended",
	/** only the host may start it */
	NotStarted: "not_started",
	/** a host has removed this person */
	Ejected: "ejected",
	/** the same person opened another control channel */
	Replaced: "replaced",
	/** forged, of another meeting or audience, or without its key */
	TokenInvalid: "token_invalid",
	/** ask for a new one by lookup */
	TokenExpired: "token_expired",
	/** this hello was seen before */
	Replayed: "replayed",
	/** the meeting lives on another router; a grant comes along */
	Moved: "moved",
	/** the role does not allow it */
	Forbidden: "forbidden",
	/** below the minimum version (S41) */
	TooOld: "too_old",
	/** the participant asked to leave */
	Left: "left",
	/** heartbeats stopped */
	Lost: "lost",
	/** the server stops; join again */
	Shutdown: "shutdown",
	/** our fault; the log has the details */
	Internal: "internal",
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/**
 * Error is the body of every refused request of the connection process, and of control message
 * "error". It is a Go error whose text can be shown to a person.
 */
export interface ErrorBody {
	code: Code;
	text: string;
	/** seconds, with CodeSlowDown */
	retry_after?: number | undefined;
	/** Grant is the home router's signed grant, with CodeMoved. */
	grant?: SignedGrant | undefined;
}

/**
 * LookupRequest is the body of POST {site}/lookup (S7). Number and passcode, or number and Pwd from a
 * link, name the meeting. A signed-in user adds "Authorization: Bearer" and becomes host of own meetings.
 */
export interface LookupRequest {
	v: number;
	build: string;
	/** 9 to 11 digits; spaces and dashes are ignored */
	number: string;
	/** as typed by a person */
	passcode?: string | undefined;
	/** the derived value of a link's ?pwd= */
	pwd?: string | undefined;
	/** shown to the others; 1 to 64 characters */
	name: string;
	/**
	 * Key is the client's public key: "ed25519:" or "p256:" and base64url of the 32 raw bytes or the
	 * 65 bytes of the uncompressed point. The same key in the same meeting is the same seat.
	 */
	key: string;
	/** Fingerprint of the client's DTLS certificate: "sha-256 AB:CD:…" (RFC 8122). */
	fingerprint: string;
	/** "native" or "web" */
	client: string;
	network: Network;
	/**
	 * Lobby asks before the person has decided: nothing is begun. A host whose meeting has not is answered
	 * not_started.
	 */
	lobby?: boolean | undefined;
}

/** MaxNameLen bounds a person's name, in characters. */
export const MaxNameLen = 64;

/** Network is what a client knows of its own network (S7). */
export interface Network {
	/**
	 * Proxy says how a proxy is known of, "flag", "pac" or "env", and behind that ", used" or ", not used" where that
	 * is known already. Never its address.
	 */
	proxy?: string | undefined;
	last_zone?: string | undefined;
	last_rung?: Rung | undefined;
}

/** LookupAnswer is the package tuned to one client (S8). */
export interface LookupAnswer {
	v: number;
	build: string;
	meeting: MeetingInfo;
	/** meeting token, a compact JWS; see Claims */
	token: string;
	participant: ParticipantID;
	role: Role;
	/** milliseconds since 1970; hellos are signed in this time */
	server_time: number;
	/** best first */
	zones: readonly Zone[];
	/** base URLs; may be relative to the site */
	tunnels?: readonly string[] | undefined;
	/** TunnelToken opens streams through tunnels, for some minutes; look the meeting up again for another. */
	tunnel_token?: string | undefined;
	/**
	 * Binding is base64url of what the site derives from its end of this request's TLS (RFC 9266). A client
	 * that derives something else has TLS with somebody in between. Empty where the site can't tell.
	 */
	binding?: string | undefined;
	/** as the site saw it */
	your_addr: string;
	/** home router, or the best of each good zone */
	grants?: readonly SignedGrant[] | undefined;
	/** who may sign grants */
	keys: readonly SigningKey[];
	/** where a browser joins this meeting (S15) */
	web_url: string;
}

/** MeetingInfo is what anyone who may join gets to know beforehand. */
export interface MeetingInfo {
	id: MeetingID;
	number: string;
	topic: string;
	/** "cloud", or "connector:<id>" (S16) */
	hosting: string;
}

/** Zone is one meeting zone as offered to a client (S8). */
export interface Zone {
	id: string;
	name: string;
	/** base URLs, all of the zone; may be relative to the site */
	controllers: readonly string[];
	/** ControllerIDs name the controllers, in the same order, for tunnels. */
	controller_ids?: readonly string[] | undefined;
	/** "ip:port" that answer STUN Binding requests over UDP */
	probes: readonly string[];
	/**
	 * Bias in milliseconds is added to the measured round trip when zones are compared: load, and
	 * distance to where the meeting runs.
	 */
	bias: number;
	/** Floor in milliseconds is the least round trip geography allows, 0 where unknown. */
	floor?: number | undefined;
}

/** SigningKey verifies SignedGrants. Key has the form of LookupRequest.Key. */
export interface SigningKey {
	kid: string;
	key: string;
}

/**
 * SignedGrant is a compact JWS (EdDSA) whose payload is a Grant. A browser may read the payload
 * without verifying; a native client verifies it against LookupAnswer.Keys.
 */
export type SignedGrant = string;

/**
 * Grant lets one participant reach one router (S10). Nothing is kept for it: the ICE credentials
 * carry all a router needs. It is good for ten seconds; the expiry bounds a group's first check only.
 */
export interface Grant {
	/** MMR id */
	router: string;
	zone: string;
	meeting: MeetingID;
	participant: ParticipantID;
	/** base of the router; the control channel is at URL + "/control" */
	url: string;
	/** for all groups */
	candidates: readonly Candidate[];
	fingerprint: string;
	groups: readonly Credentials[];
	/** Marks are the DSCP code points, 0 to 63, of what goes to and from this router, by group (S12). Absent: 46, 34, 26. */
	marks?: readonly number[] | undefined;
	/** milliseconds since 1970, server time */
	expires: number;
	/** the meeting already lives there */
	home: boolean;
	/** of the home claim, 0 while there is none */
	epoch: number;
}

/** PingAnswer is the body of GET {controller}/ping (S9). */
export interface PingAnswer {
	v: number;
	zone: string;
	/** controller id */
	id: string;
	/** milliseconds since 1970 */
	time: number;
	/** of the zone, 0 to 1 */
	load: number;
}

/** RouteRequest is the body of POST {controller}/route (S10). */
export interface RouteRequest {
	v: number;
	token: string;
	/** Lost names a router that stopped answering this client; the controller looks before it places. */
	lost?: string | undefined;
}

/** RouteAnswer carries the fresh grant. */
export interface RouteAnswer {
	v: number;
	grant: SignedGrant;
}

/**
 * Claims is the payload of a meeting token: a JWS signed with Ed25519 by the web infrastructure and
 * verified offline by controllers, routers and tunnels. There is no nbf, and two minutes of leeway.
 */
export interface Claims {
	/** site id */
	iss: string;
	/** "zone:<id>" for every zone that may host the meeting */
	aud: readonly string[];
	mtg: MeetingID;
	num: string;
	topic?: string | undefined;
	pid: ParticipantID;
	/** user id, empty for guests */
	sub?: string | undefined;
	name: string;
	role: Role;
	/** see Perm constants */
	perm?: readonly string[] | undefined;
	hosting: string;
	/** seconds since 1970 */
	exp: number;
	/** seconds since 1970 */
	iat: number;
	cnf: Confirm;
	set: Settings;
}

// The permissions a token may carry. A participant without one of them may not do it.
export const PermAudio = "audio";
export const PermVideo = "video";
export const PermShare = "share";
export const PermChat = "chat";

/** Confirm binds a token to its holder's key and DTLS certificate. */
export interface Confirm {
	/** base64url SHA-256 of LookupRequest.Key as written */
	key: string;
	/** as in LookupRequest */
	fp: string;
}

/**
 * Settings of the meeting at the time the token was made. The first participant's settings start the
 * meeting; afterwards its own state holds.
 */
export interface Settings {
	waiting_room?: boolean | undefined;
	mute_on_entry?: boolean | undefined;
	join_before_host?: boolean | undefined;
	/** 0: the router's limit */
	max_people?: number | undefined;
}

/** TunnelPong is the body of GET {tunnel}/ping. */
export interface TunnelPong {
	v: number;
	id: string;
}

/** TunnelRequest asks a tunnel to speak with a server in a page's place. No answer comes before the server's. */
export interface TunnelRequest {
	v: number;
	/** LookupAnswer.TunnelToken */
	token: string;
	route?: RouteRequest | undefined;
}

/** TunnelRelay opens TURN allocations (RFC 8656) at a tunnel, for minutes. They relay to Peer alone. */
export interface TunnelRelay {
	v: number;
	username: string;
	credential: string;
	/** the router's UDP 8801 as the tunnel sends there */
	peer: string;
}

// Payload types and header extension ids are fixed for all participants, so that a router forwards
// without translating either. PROTOCOL.md "Media" has the table.
export const PTOpus = 111;
export const PTVP8 = 96;
export const PTVP8RTX = 97;
export const PTVP9 = 98;
export const PTVP9RTX = 99;
export const PTH264 = 102;
export const PTH264RTX = 103;
export const PTAV1 = 45;
export const PTAV1RTX = 46;

// Header extension ids (RFC 8285).
/** RFC 6464 */
export const ExtAudioLevel = 1;
/** draft-holmer-rmcat-transport-wide-cc-extensions-01; never on audio */
export const ExtTransportSeq = 3;
/** RFC 9143 */
export const ExtMID = 4;
/** RFC 8852 */
export const ExtRID = 5;
/** RFC 8852 */
export const ExtRepairedRID = 6;
/** abs-capture-time */
export const ExtCaptureTime = 7;
/** AV1 RTP dependency descriptor */
export const ExtDependency = 8;
/** video-layers-allocation00 */
export const ExtAllocation = 9;
/** playout-delay */
export const ExtPlayoutDelay = 10;

// Clock rates in Hz.
export const ClockAudio = 48000;
export const ClockVideo = 90000;

// The mids of a participant's own m-lines, and the rids of its camera's simulcast layers, lowest
// first. Slot mids are in the slot table.
export const MIDAudio = "ua";
export const MIDVideo = "uv";
export const MIDContent = "uc";
export const MIDContentAudio = "uca";

/** RIDs are the simulcast layers of a camera, lowest resolution first; the index is the layer number. */
export const RIDs = ["q", "h", "f"] as const;

/** Candidate is one address of a router's media transports. */
export interface Candidate {
	rung: Rung;
	/** "ip:port", v6 in brackets */
	addr: string;
}

/**
 * Credentials are the ICE credentials of one group of one participant, made by a server for the
 * client to use as the *remote* credentials. The server needs none of the client's.
 */
export interface Credentials {
	group: Group;
	ufrag: string;
	pwd: string;
}

/**
 * Slot is one receive slot of a participant: a fixed SSRC on which the router sends one source after
 * another. A slot with RTX 0 has no retransmissions.
 */
export interface Slot {
	/** index in the table */
	id: number;
	/** m-line: "a0"…, "v0"…, "f0"… (floating audio), "c0"…, "ca0" */
	mid: string;
	/** what the slot can carry */
	kind: Kind;
	/** of the media packets */
	ssrc: number;
	/** of retransmissions, RFC 4588 */
	rtx?: number | undefined;
	/** slots with the same msid are played in sync */
	msid: string;
}

/** Mapping says which source a slot carries from now on. Source 0 unmaps. */
export interface Mapping {
	slot: number;
	source: SourceID;
	/**
	 * Time is the RTP time stamp of the first packet of this source in the slot, so that a page never
	 * shows the last frame of the old source under the new name. Absent until the first packet is out.
	 */
	time?: number | undefined;
}

/**
 * Stream is one RTP stream a participant sends, for clients that know their SSRCs. A browser leaves
 * them out and is recognised by MID and RID.
 */
export interface Stream {
	kind: Kind;
	/** simulcast layer, empty where there is one encoding */
	rid?: string | undefined;
	ssrc: number;
	rtx?: number | undefined;
}

/**
 * Hello opens the control channel; it is the first message, and the router answers Welcome, Waiting
 * or Bye. Sig is made with the client's key over HelloText; At is server time in milliseconds (the
 * lookup answer's ServerTime plus what has elapsed), good for 60 s either way.
 */
export interface Hello {
	v: number;
	build: string;
	token: string;
	/** as in LookupRequest; its hash must be the token's cnf.key */
	key: string;
	at: number;
	nonce: string;
	/** base64url; Ed25519, or P-256 with SHA-256 as r || s */
	sig: string;
	caps: Caps;
	/**
	 * Name is what a guest typed after the lookup: it takes the place of the token's, in which a signed-in
	 * user's stays. Ignored unless CleanName takes it.
	 */
	name?: string | undefined;
	/**
	 * Peer is the random name of the client's peer connection: transports whose credentials come with
	 * one Welcome or Grant belong together. Reserved; routers ignore it.
	 */
	peer?: string | undefined;
}

/** Caps is what a client can do. */
export interface Caps {
	/** "native" or "web" */
	client: string;
	/** video codecs it decodes; empty: VP8 */
	codecs?: readonly string[] | undefined;
	/** 0: the router's default, 25 */
	video_slots?: number | undefined;
	/** all media on the audio group's transport */
	one_group?: boolean | undefined;
	/**
	 * SlotSeed is what the SSRCs of the slot table follow from (core/meeting SlotTable), so that a client can
	 * make its transports before the welcome; 0: the router picks.
	 */
	slot_seed?: number | undefined;
}

/** Welcome admits a participant. Roster is the whole state; deltas follow with rising Version. */
export interface Welcome {
	v: number;
	build: string;
	router: string;
	zone: string;
	participant: ParticipantID;
	role: Role;
	meeting: MeetingInfo;
	groups: readonly Credentials[];
	candidates: readonly Candidate[];
	fingerprint: string;
	slots: readonly Slot[];
	roster: Roster;
	state: State;
	/** what was said to everyone, oldest first, and to this person */
	chat?: readonly Chat[] | undefined;
	resumed?: boolean | undefined;
}

/**
 * Waiting says that the participant is in the waiting room. No roster, media, chat or slots until a
 * Welcome follows.
 */
export interface Waiting {
	topic: string;
}

/** Bye ends the control channel, from either side; the sender closes after it. */
export interface Bye {
	code: Code;
	text?: string | undefined;
	/** Grant is the home router's, with CodeMoved. */
	grant?: SignedGrant | undefined;
}

/** Failed answers a message that was refused; the channel goes on. */
export interface Failed {
	code: Code;
	text: string;
	/** type of the message it answers */
	re?: string | undefined;
}

/**
 * Ping is the heartbeat: from a client at most every two seconds, from a router to a client it has not
 * heard for as long. Pong answers with the same N.
 */
export interface Ping {
	n: number;
}

/** Pong answers Ping. */
export interface Pong {
	n: number;
}

/**
 * Answer states what the client's end of the media plane accepted. Media waits for the fingerprint,
 * not for this.
 */
export interface Answer {
	/** TWCC lists the groups whose m-lines accepted the transport-wide sequence number. */
	twcc?: readonly Group[] | undefined;
	/** Streams lists the SSRCs a client knows it will send on; a browser's are learnt from MID and RID. */
	streams?: readonly Stream[] | undefined;
}

/**
 * Publish announces what a participant sends, and changes it: starting and stopping a source, or
 * muting it. Packets of a source that is not active are dropped by the router.
 */
export interface Publish {
	kind: Kind;
	/** there is such a source at all (device open, share running) */
	active: boolean;
	/** it is there, but silent or dark on purpose */
	muted?: boolean | undefined;
	/** CodecName of what will be sent, for information */
	codec?: string | undefined;
	/** of a camera, lowest first; empty: one encoding */
	layers?: readonly Layer[] | undefined;
	streams?: readonly Stream[] | undefined;
}

/** Layer is one simulcast encoding as the sender intends it. */
export interface Layer {
	rid?: string | undefined;
	/** pixels */
	width: number;
	/** pixels */
	height: number;
}

/** Wanted tells a sender which layers of a source anybody watches: it may stop the others. */
export interface Wanted {
	kind: Kind;
	/** empty list: nobody watches */
	rids: readonly string[];
}

/**
 * Layout is the whole wish of a receiver: which sources it shows, most important first, and how
 * large. A client that has never sent one gets every camera at thumbnail size as far as slots reach.
 * The router maps sources onto slots and answers with Slots. Audio and content need no wish.
 */
export interface Layout {
	/** rises with every layout of this client */
	version: number;
	tiles: readonly Tile[];
}

/** Tile is one wished source. */
export interface Tile {
	source: SourceID;
	/** of the tile in physical pixels; 0 asks for the smallest layer */
	height: number;
}

/** Slots tells which source each changed slot carries. */
export interface Slots {
	/** rises by one with every Slots message to this participant */
	seq: number;
	changes: readonly Mapping[];
}

/**
 * Speakers lists the loudest sources now, loudest first, and the active speaker. Sent on change, at
 * most ten times a second.
 */
export interface Speakers {
	active?: ParticipantID | undefined;
	loudest: readonly ParticipantID[];
}

/** Person is one row of the roster. */
export interface Person {
	id: ParticipantID;
	name: string;
	role: Role;
	client?: string | undefined;
	/** when raised, server ms; 0 down */
	hand?: number | undefined;
	/** active ones */
	sources?: readonly SourceState[] | undefined;
	/** in the waiting room; shown to hosts only */
	waiting?: boolean | undefined;
	/** control channel lost, seat kept for a while */
	away?: boolean | undefined;
}

/** SourceState is one source of a person. */
export interface SourceState {
	kind: Kind;
	muted?: boolean | undefined;
	/** muted by a host */
	by_host?: boolean | undefined;
}

/**
 * Roster is a change of the list of people: whole rows that are new or changed, and ids that are gone.
 * A delta applies on top of Version−1; the one in Welcome is the whole list.
 */
export interface Roster {
	version: number;
	put?: readonly Person[] | undefined;
	gone?: readonly ParticipantID[] | undefined;
}

/** State is the meeting's own switches; sent whole on every change. */
export interface State {
	locked?: boolean | undefined;
	waiting_room?: boolean | undefined;
	mute_on_entry?: boolean | undefined;
	/** server ms */
	started_at: number;
}

/** Said is a chat message on its way to the router. To 0 is everyone. */
export interface Said {
	to?: ParticipantID | undefined;
	text: string;
}

/** Chat is a chat message as delivered, in one order for all: Seq rises through the meeting. */
export interface Chat {
	seq: number;
	from: ParticipantID;
	/** of the sender at that time */
	name: string;
	to?: ParticipantID | undefined;
	text: string;
	/** server ms */
	at: number;
}

/** Hand raises or lowers one's own hand. */
export interface Hand {
	up: boolean;
}

/** React shows a reaction for a few seconds; the router adds From and passes it to all. */
export interface React {
	from?: ParticipantID | undefined;
	/** one of Reactions */
	emoji: string;
}

/** Reactions is the fixed set. */
export const Reactions = ["👍", "👏", "❤️", "😂", "😮", "🎉"] as const;

/** Act is a host action. What needs a target has one; a refused one is answered by Failed. */
export interface Act {
	do: Action;
	/** 0 for actions on the meeting */
	target?: ParticipantID | undefined;
	/** for mute */
	kind?: Kind | undefined;
	/** for the switches */
	on?: boolean | undefined;
}

/** Action is what a host does. */
export const Action = {
	/** target's source of Kind [host, co-host] */
	Mute: "mute",
	/** all microphones but the actor's [host, co-host] */
	MuteAll: "mute_all",
	/** asks target to unmute Kind [host, co-host] */
	AskUnmute: "ask_unmute",
	/** target becomes co-host, or no longer, by On [host] */
	Cohost: "cohost",
	/** target out of the waiting room; 0: all [host, co-host] */
	Admit: "admit",
	/** target, who can't come back [host, co-host; never the host] */
	Eject: "eject",
	/** target's hand [host, co-host] */
	LowerHand: "lower_hand",
	/** nobody new comes in, by On [host, co-host] */
	Lock: "lock",
	/** newcomers wait, by On [host, co-host] */
	WaitingRoom: "waiting_room",
	/** newcomers are muted, by On [host, co-host] */
	MuteOnEntry: "mute_on_entry",
	/** the meeting, for all [host] */
	End: "end",
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** AskUnmute asks this participant to unmute. */
export interface AskUnmute {
	kind: Kind;
	by: ParticipantID;
}

/** Stats is what a client measured of its own media since it joined; sent every five seconds (S40). */
export interface Stats {
	media: readonly MediaStats[];
}

/** MediaStats is one medium in one direction. */
export interface MediaStats {
	kind: Kind;
	/** sent by the client */
	up: boolean;
	path?: Rung | undefined;
	packets: number;
	bytes: number;
	lost: number;
	jitter_ms: number;
	rtt_ms: number;
	width?: number | undefined;
	height?: number | undefined;
	fps?: number | undefined;
}

/** Which struct a control message is, by its "t". */
export interface MessageTypes {
	act: Act;
	answer: Answer;
	ask_unmute: AskUnmute;
	bye: Bye;
	chat: Chat;
	error: Failed;
	hand: Hand;
	hello: Hello;
	layout: Layout;
	ping: Ping;
	pong: Pong;
	publish: Publish;
	react: React;
	roster: Roster;
	say: Said;
	slots: Slots;
	speakers: Speakers;
	state: State;
	stats: Stats;
	waiting: Waiting;
	wanted: Wanted;
	welcome: Welcome;
}

/** One message of the control channel with its type in front. */
export type Message = { [T in keyof MessageTypes]: { t: T } & MessageTypes[T] }[keyof MessageTypes];

/** The same for a reader: the name of the shape. */
export const messageShapes = {
	act: "Act",
	answer: "Answer",
	ask_unmute: "AskUnmute",
	bye: "Bye",
	chat: "Chat",
	error: "Failed",
	hand: "Hand",
	hello: "Hello",
	layout: "Layout",
	ping: "Ping",
	pong: "Pong",
	publish: "Publish",
	react: "React",
	roster: "Roster",
	say: "Said",
	slots: "Slots",
	speakers: "Speakers",
	state: "State",
	stats: "Stats",
	waiting: "Waiting",
	wanted: "Wanted",
	welcome: "Welcome",
} as const;

/** The fields of every struct in wire order: "?" where the zero value is left out, "[]" for a list. */
export const shapes = {
	ErrorBody: { code: "string", text: "string", retry_after: "?int", grant: "?string" },
	LookupRequest: { v: "int", build: "string", number: "string", passcode: "?string", pwd: "?string", name: "string", key: "string", fingerprint: "string", client: "string", network: "Network", lobby: "?bool" },
	Network: { proxy: "?string", last_zone: "?string", last_rung: "?string" },
	LookupAnswer: { v: "int", build: "string", meeting: "MeetingInfo", token: "string", participant: "uint32", role: "string", server_time: "int64", zones: "[]Zone", tunnels: "?[]string", tunnel_token: "?string", binding: "?string", your_addr: "string", grants: "?[]string", keys: "[]SigningKey", web_url: "string" },
	MeetingInfo: { id: "string", number: "string", topic: "string", hosting: "string" },
	Zone: { id: "string", name: "string", controllers: "[]string", controller_ids: "?[]string", probes: "[]string", bias: "int", floor: "?int" },
	SigningKey: { kid: "string", key: "string" },
	Grant: { router: "string", zone: "string", meeting: "string", participant: "uint32", url: "string", candidates: "[]Candidate", fingerprint: "string", groups: "[]Credentials", marks: "?[]int", expires: "int64", home: "bool", epoch: "uint32" },
	PingAnswer: { v: "int", zone: "string", id: "string", time: "int64", load: "float64" },
	RouteRequest: { v: "int", token: "string", lost: "?string" },
	RouteAnswer: { v: "int", grant: "string" },
	Claims: { iss: "string", aud: "[]string", mtg: "string", num: "string", topic: "?string", pid: "uint32", sub: "?string", name: "string", role: "string", perm: "?[]string", hosting: "string", exp: "int64", iat: "int64", cnf: "Confirm", set: "Settings" },
	Confirm: { key: "string", fp: "string" },
	Settings: { waiting_room: "?bool", mute_on_entry: "?bool", join_before_host: "?bool", max_people: "?int" },
	TunnelPong: { v: "int", id: "string" },
	TunnelRequest: { v: "int", token: "string", route: "?RouteRequest" },
	TunnelRelay: { v: "int", username: "string", credential: "string", peer: "string" },
	Candidate: { rung: "string", addr: "string" },
	Credentials: { group: "uint8", ufrag: "string", pwd: "string" },
	Slot: { id: "int", mid: "string", kind: "uint8", ssrc: "uint32", rtx: "?uint32", msid: "string" },
	Mapping: { slot: "int", source: "uint32", time: "?uint32" },
	Stream: { kind: "uint8", rid: "?string", ssrc: "uint32", rtx: "?uint32" },
	Hello: { v: "int", build: "string", token: "string", key: "string", at: "int64", nonce: "string", sig: "string", caps: "Caps", name: "?string", peer: "?string" },
	Caps: { client: "string", codecs: "?[]string", video_slots: "?int", one_group: "?bool", slot_seed: "?uint32" },
	Welcome: { v: "int", build: "string", router: "string", zone: "string", participant: "uint32", role: "string", meeting: "MeetingInfo", groups: "[]Credentials", candidates: "[]Candidate", fingerprint: "string", slots: "[]Slot", roster: "Roster", state: "State", chat: "?[]Chat", resumed: "?bool" },
	Waiting: { topic: "string" },
	Bye: { code: "string", text: "?string", grant: "?string" },
	Failed: { code: "string", text: "string", re: "?string" },
	Ping: { n: "int64" },
	Pong: { n: "int64" },
	Answer: { twcc: "?[]uint8", streams: "?[]Stream" },
	Publish: { kind: "uint8", active: "bool", muted: "?bool", codec: "?string", layers: "?[]Layer", streams: "?[]Stream" },
	Layer: { rid: "?string", width: "int", height: "int" },
	Wanted: { kind: "uint8", rids: "[]string" },
	Layout: { version: "int", tiles: "[]Tile" },
	Tile: { source: "uint32", height: "int" },
	Slots: { seq: "uint64", changes: "[]Mapping" },
	Speakers: { active: "?uint32", loudest: "[]uint32" },
	Person: { id: "uint32", name: "string", role: "string", client: "?string", hand: "?int64", sources: "?[]SourceState", waiting: "?bool", away: "?bool" },
	SourceState: { kind: "uint8", muted: "?bool", by_host: "?bool" },
	Roster: { version: "uint64", put: "?[]Person", gone: "?[]uint32" },
	State: { locked: "?bool", waiting_room: "?bool", mute_on_entry: "?bool", started_at: "int64" },
	Said: { to: "?uint32", text: "string" },
	Chat: { seq: "uint64", from: "uint32", name: "string", to: "?uint32", text: "string", at: "int64" },
	Hand: { up: "bool" },
	React: { from: "?uint32", emoji: "string" },
	Act: { do: "string", target: "?uint32", kind: "?uint8", on: "?bool" },
	AskUnmute: { kind: "uint8", by: "uint32" },
	Stats: { media: "[]MediaStats" },
	MediaStats: { kind: "uint8", up: "bool", path: "?string", packets: "uint64", bytes: "uint64", lost: "uint64", jitter_ms: "float64", rtt_ms: "float64", width: "?int", height: "?int", fps: "?float64" },
} as const;

/** The struct of every shape. */
export interface Structs {
	ErrorBody: ErrorBody;
	LookupRequest: LookupRequest;
	Network: Network;
	LookupAnswer: LookupAnswer;
	MeetingInfo: MeetingInfo;
	Zone: Zone;
	SigningKey: SigningKey;
	Grant: Grant;
	PingAnswer: PingAnswer;
	RouteRequest: RouteRequest;
	RouteAnswer: RouteAnswer;
	Claims: Claims;
	Confirm: Confirm;
	Settings: Settings;
	TunnelPong: TunnelPong;
	TunnelRequest: TunnelRequest;
	TunnelRelay: TunnelRelay;
	Candidate: Candidate;
	Credentials: Credentials;
	Slot: Slot;
	Mapping: Mapping;
	Stream: Stream;
	Hello: Hello;
	Caps: Caps;
	Welcome: Welcome;
	Waiting: Waiting;
	Bye: Bye;
	Failed: Failed;
	Ping: Ping;
	Pong: Pong;
	Answer: Answer;
	Publish: Publish;
	Layer: Layer;
	Wanted: Wanted;
	Layout: Layout;
	Tile: Tile;
	Slots: Slots;
	Speakers: Speakers;
	Person: Person;
	SourceState: SourceState;
	Roster: Roster;
	State: State;
	Said: Said;
	Chat: Chat;
	Hand: Hand;
	React: React;
	Act: Act;
	AskUnmute: AskUnmute;
	Stats: Stats;
	MediaStats: MediaStats;
}
