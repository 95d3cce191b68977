package interop

import (
	_ "github.com/at-wat/ebml-go/webm"
	_ "github.com/gorilla/websocket"
	_ "github.com/pion/dtls/v3"
	_ "github.com/pion/interceptor"
	_ "github.com/pion/logging"
	_ "github.com/pion/rtcp"
	_ "github.com/pion/rtp"
	_ "github.com/pion/webrtc/v4"
	_ "github.com/pion/webrtc/v4/pkg/media/samplebuilder"
	_ "go.uber.org/goleak"
)
