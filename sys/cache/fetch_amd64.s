#include "textflag.h"

// func fetchAt(p unsafe.Pointer, at uintptr, lines int)
TEXT ·fetchAt(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), AX
	ADDQ at+8(FP), AX
	MOVQ lines+16(FP), CX

next:
	DECQ       CX
	JLT        done
	PREFETCHT0 (AX)
	ADDQ       $64, AX
	JMP        next

done:
	RET
