package stun

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// The vectors of RFC 5769.
const (
	vectorPassword = "VOkJxbRl1RmTxUk/WvJxBt"

	vectorRequest = "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x10STUN test client" +
		"\x00\x24\x00\x04\x6e\x00\x01\xff" +
		"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
		"\x00\x06\x00\x09evtj:h6vY   " +
		"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
		"\x80\x28\x00\x04\xe5\x7a\x3b\xcf"

	vectorV4 = "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x0btest vector " +
		"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43" +
		"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7" +
		"\x80\x28\x00\x04\xc0\x7d\x4c\x96"

	vectorV6 = "\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x0btest vector " +
		"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9" +
		"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41" +
		"\x80\x28\x00\x04\xc8\xfb\x0b\x4c"

	vectorLongTerm = "\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00" +
		"\x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA" +
		"\x00\x14\x00\x0bexample.org\x00" +
		"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66"
)

func TestVectorsOfRFC5769(t *testing.T) {
	longTerm := md5.Sum([]byte("\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9:example.org:TheMatrIX"))
	for _, c := range []struct {
		name, raw string
		typ       Type
		key       []byte
		addr      string
		print     bool
	}{
		{"request", vectorRequest, BindingRequest, []byte(vectorPassword), "", true},
		{"v4 response", vectorV4, BindingSuccess, []byte(vectorPassword), "192.0.2.1:32853", true},
		{"v6 response", vectorV6, BindingSuccess, []byte(vectorPassword), "[2001:db8:1234:5678:11:2233:4455:6677]:32853", true},
		{"long-term", vectorLongTerm, BindingRequest, longTerm[:], "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse([]byte(c.raw))
			if err != nil {
				t.Fatal(err)
			}
			if m.Type() != c.typ {
				t.Errorf("type %#x, want %#x", m.Type(), c.typ)
			}
			if !m.CheckIntegrity(c.key) {
				t.Error("integrity refused")
			}
			if m.CheckIntegrity(append([]byte("x"), c.key...)) {
				t.Error("integrity accepted with another key")
			}
			if present, ok := m.CheckFingerprint(); present != c.print || ok != c.print {
				t.Errorf("fingerprint present %v ok %v", present, ok)
			}
			if addr, ok := m.XORMappedAddress(); ok != (c.addr != "") || ok && addr.String() != c.addr {
				t.Errorf("address %v, want %q", addr, c.addr)
			}
			if u := m.AppendUnknown(nil); len(u) != 0 {
				t.Errorf("unknown attributes %x", u)
			}
		})
	}
	m, _ := Parse([]byte(vectorRequest))
	if u, _ := m.Username(); string(u) != "evtj:h6vY" {
		t.Errorf("username %q", u)
	}
	if p, ok := m.Priority(); !ok || p != 0x6e0001ff {
		t.Errorf("priority %#x", p)
	}
	if tb, ok := m.Controlled(); !ok || tb != 0x932ff9b151263b36 {
		t.Errorf("tie breaker %#x", tb)
	}
	if _, ok := m.Controlling(); ok {
		t.Error("controlling found")
	}
}

// check builds what an ICE agent sends.
func check(dst []byte) []byte {
	b := Build(dst, BindingRequest, TxID{1, 2, 3})
	b.Username("router:client")
	b.Priority(7)
	b.Controlling(1 << 63)
	b.UseCandidate()
	b.Padding(40)
	b.Integrity([]byte("secret"))
	b.Fingerprint()
	return b.Bytes()
}

func TestBuildAndParseAgree(t *testing.T) {
	prefix := []byte("before")
	raw := check(prefix)
	if !bytes.HasPrefix(raw, prefix) {
		t.Fatal("prefix lost")
	}
	m, err := Parse(raw[len(prefix):])
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := m.Username(); string(u) != "router:client" {
		t.Errorf("username %q", u)
	}
	if p, _ := m.Priority(); p != 7 {
		t.Errorf("priority %d", p)
	}
	if tb, _ := m.Controlling(); tb != 1<<63 {
		t.Errorf("tie breaker %x", tb)
	}
	if !m.Has(AttrUseCandidate) || !m.Has(AttrPadding) || m.Has(AttrSoftware) {
		t.Error("attributes wrong")
	}
	if !m.CheckIntegrity([]byte("secret")) {
		t.Error("integrity refused")
	}
	if present, ok := m.CheckFingerprint(); !present || !ok {
		t.Error("fingerprint refused")
	}
	if m.TxID() != (TxID{1, 2, 3}) || m.Len() != len(raw)-len(prefix) {
		t.Error("header wrong")
	}
}

func TestAddressesAndErrorsSurvive(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:1", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:8801"} {
		b := Build(nil, BindingSuccess, TxID{9, 8, 7, 6, 5, 4, 3, 2, 1})
		b.XORMappedAddress(netip.MustParseAddrPort(addr))
		m, err := Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		want := netip.MustParseAddrPort(addr)
		want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
		if got, ok := m.XORMappedAddress(); !ok || got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	b := Build(nil, BindingError, TxID{})
	b.ErrorCode(420, "Unknown Attribute")
	b.Unknown([]Attr{0x7001, 0x7002, 0x7003})
	m, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if code, why, ok := m.ErrorCode(); !ok || code != 420 || string(why) != "Unknown Attribute" {
		t.Errorf("error %d %q", code, why)
	}
	if v, _ := m.Get(AttrUnknown); len(v) != 6 {
		t.Errorf("unknown list %x", v)
	}
}

func TestUnknownRequiredAttributesAreListed(t *testing.T) {
	b := Build(nil, BindingRequest, TxID{})
	b.Attr(0x0003, []byte{0, 0, 0, 0}) // CHANGE-REQUEST: this is no NAT test server
	b.Attr(0xC057, []byte{0, 0, 0, 1}) // network info of libwebrtc: optional
	b.Attr(0x7FFF, nil)
	m, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.AppendUnknown(nil), []Attr{0x0003, 0x7FFF}; !slices.Equal(got, want) {
		t.Errorf("unknown %x, want %x", got, want)
	}
}

func TestAttributesBehindIntegrityDoNotCount(t *testing.T) {
	b := Build(nil, BindingRequest, TxID{})
	b.Username("a:b")
	b.Integrity([]byte("k"))
	b.UseCandidate()
	b.Fingerprint()
	m, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if m.Has(AttrUseCandidate) {
		t.Error("an attribute added behind the integrity counts")
	}
	if !m.Has(AttrFingerprint) || !m.CheckIntegrity([]byte("k")) {
		t.Error("fingerprint or integrity not seen")
	}
}

func TestDamageIsNoticed(t *testing.T) {
	raw := check(nil)
	for n := range raw {
		if _, err := Parse(raw[:n]); err == nil {
			t.Errorf("accepted when cut to %d bytes", n)
		}
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 0x41
		m, err := Parse(bad)
		if err != nil {
			continue
		}
		if _, ok := m.CheckFingerprint(); ok {
			t.Errorf("fingerprint right with byte %d changed", i)
		}
		if i < m.fingerprint && m.CheckIntegrity([]byte("secret")) {
			t.Errorf("integrity right with byte %d changed", i)
		}
	}
}

func TestOtherTrafficIsNotSTUN(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil,
		"dtls":  append([]byte{22, 254, 253}, make([]byte, 40)...),
		"rtp":   append([]byte{0x80, 111}, make([]byte, 40)...),
		"short": []byte("\x00\x01\x00\x00\x21\x12\xa4\x42"),
		"zeros": make([]byte, 64),
	} {
		if IsSTUN(b) {
			t.Errorf("%s taken for STUN", name)
		}
		if _, err := Parse(b); err != ErrNotSTUN {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	raw := check(nil)
	got := testing.AllocsPerRun(100, func() {
		m, _ := Parse(raw)
		m.Username()
		m.Priority()
		m.Has(AttrUseCandidate)
		m.CheckFingerprint()
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{vectorRequest, vectorV4, vectorV6, vectorLongTerm} {
		f.Add([]byte(s))
	}
	f.Add(check(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		n := 0
		for at := 0; ; n++ {
			_, _, next, ok := m.Next(at)
			if !ok {
				break
			}
			if next <= at {
				t.Fatal("the walk stands still")
			}
			at = next
		}
		if n > len(b)/4 {
			t.Fatal("more attributes than bytes")
		}
		m.CheckIntegrity([]byte("k"))
		m.CheckFingerprint()
		m.XORMappedAddress()
		m.ErrorCode()
		m.AppendUnknown(nil)
		if int(binary.BigEndian.Uint16(b[2:]))+HeaderLen != len(b) {
			t.Fatal("length not checked")
		}
	})
}
