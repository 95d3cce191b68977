// Package lab is a simulated internet in one process: hosts with addresses and names, UDP and TCP
// between them, links with delay, jitter, loss and rate, firewalls, frozen and killed machines. A Host
// is a link.Host, so product code runs on it unchanged.
//
// It is made for testing/synctest: in a bubble minutes of traffic pass in milliseconds and every
// delay is exact to the nanosecond. Outside a bubble the same code runs in real time. Make the Net
// inside the bubble and close what uses it in t.Cleanup, so that time still moves while it ends.
//
// # Determinism
//
// The same seed gives the same losses, jitter and order: randomness is drawn per link and flow, seeded
// from the seed and their names; arrivals due at one instant are handled in the order of (time, link,
// sequence). Each link's delay is lengthened by a few nanoseconds of its own (Net.OneWay tells the
// sum), so that what left together does not arrive together, where the scheduler would choose the
// order. Create hosts in a fixed order, from one goroutine. Compare event logs sorted by time.
//
// # What is not modelled
//
// Name resolution takes no time. TCP has no congestion control (a fixed window keeps it from filling
// a queue), no keep-alive and no back-pressure: Write copies, queues and returns, because a writer
// that waited for time while its caller holds a mutex would freeze a bubble. A lost segment costs a
// round trip, or a time-out where the network is cut.
package lab
