package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	pion "github.com/pion/srtp/v3"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		panic(err)
	}
	return b
}

// session makes a context from session keys, as the vectors of RFC 7714 give them.
func session(t *testing.T, p Profile, key, salt []byte) *Context {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	keys := &suite{aead: aead}
	copy(keys.salt[:], salt)
	return &Context{profile: p, rtp: keys, rtcp: keys}
}

func TestVectorsOfRFC7714(t *testing.T) {
	salt := unhex("51756964 2070726f 2071756f")
	plainRTP := unhex(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
		69736120 696e2070 61727465 73207472 6573`)
	plainRTCP := unhex(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
		deadbeef deadbeef deadbeef deadbeef deadbeef`)
	for _, c := range []struct {
		profile   Profile
		key       string
		rtp, rtcp string
	}{
		{GCM128, "000102030405060708090a0b0c0d0e0f",
			`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
			0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
			`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
			c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
			45d9eade 800005d4`},
		{GCM256, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			`8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
			9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
			`81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
			a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
			b26ac3be 800005d4`},
	} {
		t.Run(c.profile.String(), func(t *testing.T) {
			ctx := session(t, c.profile, unhex(c.key), salt)
			got, err := ctx.SealRTP(nil, plainRTP)
			if err != nil || !bytes.Equal(got, unhex(c.rtp)) {
				t.Errorf("sealed RTP %x (%v), want %x", got, err, unhex(c.rtp))
			}
			s, _ := ctx.add(0x4d617273)
			s.rtcpNext = 0x5d4
			got, err = ctx.SealRTCP(nil, plainRTCP)
			if err != nil || !bytes.Equal(got, unhex(c.rtcp)) {
				t.Errorf("sealed RTCP %x (%v), want %x", got, err, unhex(c.rtcp))
			}
			ctx = session(t, c.profile, unhex(c.key), salt)
			if got, _, err := ctx.OpenRTP(unhex(c.rtp)); err != nil || !bytes.Equal(got, plainRTP) {
				t.Errorf("opened RTP %x (%v)", got, err)
			}
			if got, _, err := ctx.OpenRTCP(unhex(c.rtcp)); err != nil || !bytes.Equal(got, plainRTCP) {
				t.Errorf("opened RTCP %x (%v)", got, err)
			}
		})
	}
}

func TestVectorsOfRFC3711(t *testing.T) {
	key, salt := unhex("E1F97A0D3E018BE0D64FA32C06DE4139"), unhex("0EC675AD498AFEEBB6960B3AABE6")
	for _, c := range []struct {
		label byte
		n     int
		want  string
	}{ // appendix B.3
		{labelKey, 16, "C61E7A93744F39EE10734AFE3FF7A087"},
		{labelSalt, 14, "30CBBC08863D8C85D49DB34A9AE1"},
		{labelAuth, 20, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
	} {
		if got := derive(key, salt, c.label, c.n); !bytes.Equal(got, unhex(c.want)) {
			t.Errorf("label %d: %x, want %s", c.label, got, c.want)
		}
	}
	block, _ := aes.NewCipher(unhex("2B7E151628AED2A6ABF7158809CF4F3C"))
	s := &suite{block: block}
	copy(s.salt[:], unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"))
	stream := make([]byte, 48)
	(&Context{}).counter(s, 0, 0, stream) // appendix B.2
	want := unhex(`E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0`)
	if !bytes.Equal(stream, want) {
		t.Errorf("key stream %x", stream)
	}
}

var profiles = []Profile{GCM128, GCM256, CM80}

// keys are any, the same every time.
func keys(p Profile) (key, salt []byte) {
	key, salt = make([]byte, p.KeyLen()), make([]byte, p.SaltLen())
	for i := range key {
		key[i] = byte(i*7 + 1)
	}
	for i := range salt {
		salt[i] = byte(i*5 + 3)
	}
	return key, salt
}

func newContext(t testing.TB, p Profile) *Context {
	t.Helper()
	key, salt := keys(p)
	c, err := New(p, key, salt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func oracle(t *testing.T, p Profile) *pion.Context {
	t.Helper()
	key, salt := keys(p)
	c, err := pion.CreateContext(key, salt, pion.ProtectionProfile(p),
		pion.SRTPReplayProtection(64), pion.SRTCPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// packet makes an RTP packet with an extension of ext words, -1 for none, and csrcs CSRCs.
func packet(ssrc uint32, seq uint16, csrcs, ext, payload int) []byte {
	b := []byte{0x80 | byte(csrcs), 96}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, uint32(seq)*3000)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	for i := range csrcs {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
	}
	if ext >= 0 {
		b[0] |= 0x10
		b = append(b, 0xBE, 0xDE, 0, byte(ext))
		b = append(b, make([]byte, 4*ext)...)
	}
	for i := range payload {
		b = append(b, byte(i)^byte(seq))
	}
	return b
}

func report(ssrc uint32, n int) []byte {
	b := []byte{0x80, 201, 0, byte(1 + n)}
	b = binary.BigEndian.AppendUint32(b, ssrc)
	for i := range n {
		b = binary.BigEndian.AppendUint32(b, uint32(i)*0x01010101)
	}
	return b
}

// TestAgreesWithPion runs both directions over three wraps of the sequence number, with loss, reordering
// within a window and several SSRCs.
func TestAgreesWithPion(t *testing.T) {
	for _, p := range profiles {
		t.Run(p.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(p)))
			ours, ourIn := newContext(t, p), newContext(t, p)
			theirs, theirIn := oracle(t, p), oracle(t, p)
			for _, ssrc := range []uint32{1, 0xdeadbeef} {
				next := uint64(rng.Uint32N(1 << 15))
				for next < 3<<16+100 {
					batch := make([]uint64, 1+rng.IntN(16))
					for i := range batch {
						next += 1 + rng.Uint64N(40)
						batch[i] = next
					}
					rng.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
					for i, index := range batch {
						plain := packet(ssrc, uint16(index), rng.IntN(3), rng.IntN(4)-1, rng.IntN(200))
						sealed, err := ours.SealRTP(nil, plain)
						if batch[0] < 500 && errors.Is(err, ErrUsed) {
							continue // the first batch may begin with its newest
						}
						if err != nil {
							t.Fatalf("seal %d: %v", index, err)
						}
						want, err := theirs.EncryptRTP(nil, plain, nil)
						if err != nil || !bytes.Equal(sealed, want) {
							t.Fatalf("index %d: sealed %x\nwant %x (%v)", index, sealed, want, err)
						}
						back, err := theirIn.DecryptRTP(nil, sealed, nil)
						if i == 0 && (err != nil || !bytes.Equal(back, plain)) {
							t.Fatalf("pion opens %d: %v", index, err)
						}
						got, _, err := ourIn.OpenRTP(want)
						if err != nil || !bytes.Equal(got, plain) {
							t.Fatalf("open %d: %v", index, err)
						}
					}
				}
			}
			for i := range 300 {
				plain := report(uint32(i%3), rng.IntN(20))
				sealed, err := ours.SealRTCP(nil, plain)
				if err != nil {
					t.Fatal(err)
				}
				if back, err := theirIn.DecryptRTCP(nil, sealed, nil); err != nil || !bytes.Equal(back, plain) {
					t.Fatalf("pion opens RTCP %d: %v", i, err)
				}
				want, err := theirs.EncryptRTCP(nil, plain, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, _, err := ourIn.OpenRTCP(want); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("open RTCP %d: %v", i, err)
				}
			}
		})
	}
}

func TestSealNeverUsesAnIndexTwice(t *testing.T) {
	for _, start := range []uint16{0, 1, 32767, 32768, 65530, 65535} {
		c := newContext(t, GCM128)
		seal := func(seq uint16) error {
			_, err := c.SealRTP(nil, packet(9, seq, 0, -1, 4))
			return err
		}
		for i := range uint16(100) {
			if i%10 != 5 {
				if err := seal(start + i); err != nil {
					t.Fatalf("from %d, packet %d: %v", start, i, err)
				}
			}
		}
		for i := range uint16(100) {
			got, want := seal(start+i), error(nil)
			if i%10 != 5 {
				want = ErrUsed
			}
			if got != want {
				t.Errorf("from %d, packet %d again: %v, want %v", start, i, got, want)
			}
		}
		if err := seal(start + 100 + windowLen*2); err != nil {
			t.Error(err)
		}
		if err := seal(start + 95); err != ErrUsed {
			t.Errorf("from %d: behind the window: %v", start, err)
		}
	}
	c := newContext(t, GCM128)
	c.SealRTP(nil, packet(9, 0, 0, -1, 4))
	if _, err := c.SealRTP(nil, packet(9, 65535, 0, -1, 4)); err != ErrUsed {
		t.Errorf("sequence number from before the first roll-over: %v", err)
	}
}

func TestReplayAndForgeryMoveNothing(t *testing.T) {
	for _, p := range profiles {
		t.Run(p.String(), func(t *testing.T) {
			out, in := newContext(t, p), newContext(t, p)
			first, _ := out.SealRTP(nil, packet(1, 60000, 0, 1, 50))
			if _, newest, err := in.OpenRTP(bytes.Clone(first)); err != nil || !newest {
				t.Fatal(newest, err)
			}
			if _, _, err := in.OpenRTP(bytes.Clone(first)); err != ErrReplay {
				t.Errorf("replayed: %v", err)
			}
			// Forgeries far ahead would drag the roll-over counter along.
			for _, seq := range []uint16{60001, 65535, 10, 20000} {
				forged := append(packet(1, seq, 0, -1, 30), make([]byte, p.tagLen())...)
				if _, _, err := in.OpenRTP(forged); err != ErrAuth {
					t.Errorf("forged %d: %v", seq, err)
				}
			}
			for i := range 2000 {
				forged := append(packet(uint32(i+5), 1, 0, -1, 30), make([]byte, p.tagLen())...)
				in.OpenRTP(forged)
				rep := append(report(uint32(i+5), 4), make([]byte, p.tagLen()+3)...)
				in.OpenRTCP(append(rep, 1))
			}
			if got := in.Streams(); got != 1 {
				t.Errorf("forged packets made %d SSRC states", got-1)
			}
			next, _ := out.SealRTP(nil, packet(1, 60002, 0, 1, 50))
			late, _ := out.SealRTP(nil, packet(1, 60001, 0, 1, 50))
			if _, newest, err := in.OpenRTP(next); err != nil || !newest {
				t.Errorf("next: %v", err)
			}
			if _, newest, err := in.OpenRTP(late); err != nil || newest {
				t.Errorf("late packet: newest %v, %v", newest, err)
			}
			rep, _ := out.SealRTCP(nil, report(1, 3))
			if _, _, err := in.OpenRTCP(bytes.Clone(rep)); err != nil {
				t.Error(err)
			}
			if _, _, err := in.OpenRTCP(rep); err != ErrReplay {
				t.Errorf("replayed report: %v", err)
			}
		})
	}
}

func TestAheadTellsWhatIsNext(t *testing.T) {
	for _, p := range profiles {
		t.Run(p.String(), func(t *testing.T) {
			out, in := newContext(t, p), newContext(t, p)
			rtpOf := func(ssrc uint32, seq uint16) []byte {
				b, err := out.SealRTP(nil, packet(ssrc, seq, 0, -1, 20))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			rtcpOf := func(ssrc uint32) []byte {
				b, err := out.SealRTCP(nil, report(ssrc, 3))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			for range 5 {
				if _, _, err := in.OpenRTCP(rtcpOf(1)); err != nil {
					t.Fatal(err)
				}
			}
			late, top := rtpOf(2, 65530), rtpOf(2, 65534)
			if _, _, err := in.OpenRTP(bytes.Clone(top)); err != nil {
				t.Fatal(err)
			}
			next := rtcpOf(1)
			rtcpOf(1)
			for _, c := range []struct {
				name string
				b    []byte
				rtcp bool
				want uint64
			}{
				{"the next report", next, true, 1},
				{"after a lost one", rtcpOf(1), true, 3},
				{"the first report of who sends media", rtcpOf(2), true, 1},
				{"the first media of who reports", rtpOf(1, 40000), false, 1},
				{"over the wrap", rtpOf(2, 2), false, 4},
				{"late media", late, false, 0},
				{"media again", top, false, 0},
				{"an SSRC nobody has", rtpOf(3, 1), false, 0},
				{"a report of nobody", rtcpOf(3), true, 0},
				{"media cut short", top[:11], false, 0},
				{"a report cut short", next[:11], true, 0},
				{"nothing", nil, true, 0},
			} {
				if got := in.Ahead(c.b, c.rtcp); got != c.want {
					t.Errorf("%s: %d ahead, want %d", c.name, got, c.want)
				}
			}
			if _, _, err := in.OpenRTCP(bytes.Clone(next)); err != nil {
				t.Errorf("what was only looked at does not open: %v", err)
			}
			if got := in.Ahead(next, true); got != 0 {
				t.Errorf("a report again: %d ahead, want 0", got)
			}
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	out, in := newContext(t, GCM128), newContext(t, GCM128)
	for i := range uint32(MaxStreams) {
		b, err := out.SealRTP(nil, packet(i, 1, 0, -1, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := in.OpenRTP(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.SealRTP(nil, packet(MaxStreams, 1, 0, -1, 1)); err != ErrStreams {
		t.Errorf("seal: %v", err)
	}
	other := newContext(t, GCM128)
	b, _ := other.SealRTP(nil, packet(MaxStreams, 1, 0, -1, 1))
	if _, _, err := in.OpenRTP(b); err != ErrStreams {
		t.Errorf("open: %v", err)
	}
	if in.Streams() != MaxStreams {
		t.Errorf("%d streams", in.Streams())
	}
}

func TestSealInPlaceAndDamage(t *testing.T) {
	for _, p := range profiles {
		plain := packet(1, 7, 2, 2, 100)
		want, _ := newContext(t, p).SealRTP(nil, plain)
		buf := append(make([]byte, 0, 1500), plain...)
		got, err := newContext(t, p).SealRTP(buf[:0], buf)
		if err != nil || !bytes.Equal(got, want) || &got[0] != &buf[0] {
			t.Errorf("%v: in place: %v", p, err)
		}
		rep := report(1, 5)
		wantRTCP, _ := newContext(t, p).SealRTCP(nil, rep)
		buf = append(buf[:0], rep...)
		if got, err := newContext(t, p).SealRTCP(buf[:0], buf); err != nil || !bytes.Equal(got, wantRTCP) {
			t.Errorf("%v: RTCP in place: %v", p, err)
		}
		in := newContext(t, p)
		for n := range want {
			if _, _, err := in.OpenRTP(bytes.Clone(want[:n])); err == nil {
				t.Errorf("%v: accepted when cut to %d", p, n)
			}
		}
		for i := range want {
			bad := bytes.Clone(want)
			bad[i] ^= 1
			if _, _, err := in.OpenRTP(bad); err == nil {
				t.Errorf("%v: accepted with byte %d changed", p, i)
			}
		}
		for i := range wantRTCP {
			bad := bytes.Clone(wantRTCP)
			bad[i] ^= 1
			if _, _, err := in.OpenRTCP(bad); err == nil {
				t.Errorf("%v: RTCP accepted with byte %d changed", p, i)
			}
			if _, _, err := in.OpenRTCP(bytes.Clone(wantRTCP[:i])); err == nil {
				t.Errorf("%v: RTCP accepted when cut to %d", p, i)
			}
		}
		if _, _, err := in.OpenRTP(want); err != nil {
			t.Errorf("%v: after all that damage: %v", p, err)
		}
	}
}

// TestWindowAgainstAList compares the ring of bits with a plain set.
func TestWindowAgainstAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var w window
		used, top := map[uint64]bool{}, uint64(0)
		base := rng.Uint64N(1 << 20)
		for range 2000 {
			step := int64(rng.IntN(900)) - 500
			if rng.IntN(50) == 0 {
				step = int64(rng.IntN(3000))
			}
			index := uint64(max(0, int64(base)+step))
			want := !used[index] && (len(used) == 0 || index > top || top-index <= windowLen)
			if got := w.fresh(index); got != want {
				t.Fatalf("fresh(%d) with top %d: %v, want %v", index, top, got, want)
			}
			if !want {
				continue
			}
			newest := len(used) == 0 || index > top
			if got := w.use(index); got != newest {
				t.Fatalf("use(%d) newest %v, want %v", index, got, newest)
			}
			used[index], top = true, max(top, index)
			base = top
		}
	}
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	for _, p := range []Profile{GCM128, GCM256} {
		out, in := newContext(t, p), newContext(t, p)
		plain, buf := packet(1, 0, 1, 3, 1100), make([]byte, 0, 1500)
		seq := uint16(0)
		got := testing.AllocsPerRun(500, func() {
			seq++
			binary.BigEndian.PutUint16(plain[2:], seq)
			b, err := out.SealRTP(buf, plain)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := in.OpenRTP(b); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%v: %v allocations, want 0", p, got)
		}
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	if _, err := New(0x0002, make([]byte, 16), make([]byte, 14)); err == nil {
		t.Error("unknown profile accepted")
	}
	if _, err := New(GCM128, make([]byte, 16), make([]byte, 14)); err == nil {
		t.Error("salt of the wrong length accepted")
	}
	if _, err := New(GCM256, make([]byte, 16), make([]byte, 12)); err == nil {
		t.Error("key of the wrong length accepted")
	}
}

func FuzzOpen(f *testing.F) {
	b, _ := newContext(f, GCM128).SealRTP(nil, packet(1, 2, 3, 4, 5))
	f.Add(b)
	b, _ = newContext(f, GCM128).SealRTCP(nil, report(1, 2))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range profiles {
			c := newContext(t, p)
			c.OpenRTP(bytes.Clone(b))
			c.OpenRTCP(bytes.Clone(b))
			c.SealRTP(nil, b)
			c.SealRTCP(nil, b)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, p := range profiles {
		b.Run(p.String(), func(b *testing.B) {
			c := newContext(b, p)
			plain, buf := packet(1, 0, 1, 3, 1100), make([]byte, 0, 1500)
			b.ReportAllocs()
			b.SetBytes(int64(len(plain)))
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint16(plain[2:], uint16(i))
				if _, err := c.SealRTP(buf, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
