// Package scenario holds the stories in which whole parts meet: the web infrastructure, zones with their
// controllers and routers, and native clients, each on a simulated host of package lab, in a bubble of
// testing/synctest where a minute of meeting takes a moment.
//
// A test carries the sentence it shows as its name, and says which line of the specification (S1 to
// S41) it belongs to. world_test.go makes the site, person_test.go the people with their cameras and
// ears, stranger_test.go those who speak the protocol by hand in order to break it.
package scenario
