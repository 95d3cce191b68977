// Package interop proves that Parley speaks to software it was not written with: a client made of
// pion/webrtc and gorilla/websocket, which joins meetings of the built binary next to parley's own
// native client. Everything it knows of Parley comes from wire/proto/PROTOCOL.md and its test vectors;
// where a test here needs more than that, the document is at fault.
//
// It is a module of its own and imports nothing of Parley. The pion modules that pion/webrtc v4.2.20
// builds with are older than those Parley uses, and one build can hold only one set; requiring Parley
// for its messages alone would already raise them.
//
// There is no code here but tests:
//
//	go test ./...
//
// PARLEY_BINARY names the binary to test; without it the one of this source tree is built first.
package interop
