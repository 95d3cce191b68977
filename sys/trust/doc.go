// Package trust holds who believes whom, and why: the site's secrets and its certificate authority,
// meeting tokens, signed grants, the ICE credentials that carry a grant to a router, the client's
// key and its signed hello, passwords, and every random name. It is the only importer of go-jose.
//
// The chain: the site signs meeting tokens (Ed25519 JWT) that controllers and routers verify offline;
// a token names the hash of its holder's key, and only who has that key can sign a hello; a controller
// signs grants whose ICE credentials a router checks with nothing but its zone's key.
package trust
