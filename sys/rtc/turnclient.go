package rtc

import (
	"fmt"
	"net"

	"github.com/pion/turn/v5"
)

// TURNClient is an allocation at a TURN server of ours, as a browser makes one: what is written to it goes to the
// peers the server allows. It is for those who examine a server; clients of Parley need none.
type TURNClient struct {
	net.PacketConn
	client *turn.Client
	conn   net.Conn
}

// DialTURN allocates on an open connection, which is the client's from now on, also where it fails.
func DialTURN(conn net.Conn, name, password string) (*TURNClient, error) {
	at := conn.RemoteAddr().String()
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: at, STUNServerAddr: at, Realm: turnRealm, Username: name, Password: password,
		Conn: turn.NewSTUNConn(conn), LoggerFactory: silent{},
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("TURN client: %w", err)
	}
	err = c.Listen()
	var relay net.PacketConn
	if err == nil {
		relay, err = c.Allocate()
	}
	if err != nil {
		c.Close()
		conn.Close()
		return nil, fmt.Errorf("TURN allocation: %w", err)
	}
	return &TURNClient{relay, c, conn}, nil
}

// Close gives the allocation back.
func (c *TURNClient) Close() error {
	err := c.PacketConn.Close()
	c.client.Close()
	c.conn.Close()
	return err
}
