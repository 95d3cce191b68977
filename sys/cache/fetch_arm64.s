#include "textflag.h"

// func fetchAt(p unsafe.Pointer, at uintptr, lines int)
TEXT ·fetchAt(SB), NOSPLIT, $0-24
	MOVD p+0(FP), R0
	MOVD at+8(FP), R1
	ADD  R1, R0, R0
	MOVD lines+16(FP), R2

next:
	SUBS $1, R2, R2
	BLT  done
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0, R0
	B    next

done:
	RET
