// Package wire is a bad network between two network interfaces, in user space: delay, jitter, loss in
// bursts, reordering, duplication, a rate with its queue, and an MTU that does or does not say so. It
// moves IP packets between two TUN devices, or whatever else reads and writes one packet at a time.
//
// Packets are sorted into classes by their remote address, protocol and port, each with links of its own:
// so one wire puts every server at its own distance and treats UDP and TCP differently.
//
// # Determinism
//
// The same seed gives the same chances to the same packets in the same order: each class draws from a
// source of its own in each direction, seeded from the seed and its place in the list. What kernel and
// processes do between is not repeated.
package wire
