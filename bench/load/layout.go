package load

import "parley/wire/proto"

// layouts tells the server what everybody wants to see, now that all are there.
func (g *generator) layouts() {
	for _, p := range g.people {
		g.layout(p)
	}
}

func (g *generator) layout(p *person) {
	if p.member.Layout == nil {
		return
	}
	var seats []Seat
	for i, other := range p.room.people {
		if other == nil {
			continue
		}
		s := Seat{Index: i}
		if len(other.member.Video) > 0 {
			s.Camera = proto.Source(other.id, proto.Video)
		}
		seats = append(seats, s)
	}
	p.sayLater(proto.Layout{Version: 1, Tiles: p.member.Layout(p.index, seats)})
}

// OneLarge is the layout of a meeting: one neighbour large, the others as thumbnails.
func OneLarge(self int, people []Seat) []proto.Tile {
	var tiles []proto.Tile
	large := (self + 1) % max(1, len(people))
	for _, s := range people {
		if s.Camera == 0 || s.Index == self {
			continue
		}
		t := proto.Tile{Source: s.Camera, Height: 180}
		if s.Index == large {
			t.Height = 720
			tiles = append([]proto.Tile{t}, tiles...)
			continue
		}
		tiles = append(tiles, t)
	}
	return tiles
}

// ByThirds is the layout of a simulcast test: each third of the receivers takes another layer.
func ByThirds(self int, people []Seat) []proto.Tile {
	heights := [3]int{720, 360, 180}
	var tiles []proto.Tile
	for _, s := range people {
		if s.Camera != 0 && s.Index != self {
			tiles = append(tiles, proto.Tile{Source: s.Camera, Height: heights[self%3]})
		}
	}
	return tiles
}
