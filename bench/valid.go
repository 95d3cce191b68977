package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/bench/floor"
)

// A run counts only where the machine was what it should be. What tells is a fixed piece of sending, the
// reference shape, ÷ the calibration of the same run: on the processor of the reference it must be within
// 25 % of the reference's; on another, whose ratio of sending to calibrating is its own, within 25 % of
// what it was when the bench began, and by how much it differs from the reference is printed.
var (
	// referenceShape is "GSO 6 × 16 in one sendmmsg" of the measurements of 20 November 2026: a frame to
	// each of 100 receivers, 1132 bytes a packet.
	referenceShape = floor.Shape{Receivers: 100, Burst: 6, Len: 1132 - floor.TagLen}
	// referenceRel is what that cost there with a reader on loopback, without and with UDP_GRO, and sealing
	// (269 ns), ÷ that day's calibration.
	referenceRel = [2]float64{(1555 + 269) / referenceCalibration, (573 + 269) / referenceCalibration}
)

const (
	referenceCalibration = 4700. // ns; 4.5 to 4.9 µs in most runs
	referenceCPU         = "EPYC"
	tolerance            = 0.25
)

// otherMachine says what the rule about the floor is worth where the processor is not the reference's.
const otherMachine = "This processor is not the reference's: a run is compared with this machine as it was when the bench " +
	"began, not with the reference, and is void where sending costs over 25 % more or less than then."

// baseline is what the reference shape costs on this machine, ÷ what it should: 1 on the reference's kind
// of processor, else as measured now.
type baseline struct {
	is       [2]float64 // the same as now measured, in any case
	expected [2]float64
}

// measureBaseline is the middle of three.
func (o options) measureBaseline(ctx context.Context, merges []bool) (b baseline, err error) {
	for _, merge := range merges {
		var got []float64
		for range 3 {
			c, err := o.jobOnServer(ctx, "calibrate")
			if err != nil {
				return b, err
			}
			r, err := o.referenceRatio(ctx, merge, float64(c))
			if err != nil {
				return b, err
			}
			got = append(got, r)
		}
		slices.Sort(got)
		i := index(merge)
		b.is[i], b.expected[i] = got[1], 1
		if !strings.Contains(machine(), referenceCPU) {
			b.expected[i] = got[1]
		}
	}
	return b, nil
}

// String says how the machine compares.
func (b baseline) String() string {
	var parts []string
	for i, name := range [...]string{"without UDP_GRO", "with it"} {
		if b.is[i] > 0 {
			parts = append(parts, fmt.Sprintf("%.2f × %s", b.is[i], name))
		}
	}
	s := "Sending costs, after calibration, of what it does on the reference machine: " + strings.Join(parts, ", ")
	if strings.Contains(machine(), referenceCPU) {
		return fmt.Sprintf("%s; a run is void where that differs from 1 by more than %.0f %%.", s, 100*tolerance)
	}
	return s + ". " + otherMachine
}

func index(merge bool) int {
	if merge {
		return 1
	}
	return 0
}

// referenceRatio measures the reference shape now, ÷ what it costs on the reference machine.
func (o options) referenceRatio(ctx context.Context, merge bool, calibration float64) (float64, error) {
	d, err := o.floor(ctx, referenceShape, merge, 500*time.Millisecond)
	return float64(d) / calibration / referenceRel[index(merge)], err
}

// void says why a run does not count, "" for one that does.
func (b baseline) void(r *one) string {
	switch {
	case r.Load.Overflow > 0:
		return fmt.Sprintf("%d packets were lost by the participants' own sockets", r.Load.Overflow)
	case r.Load.Skipped > 0:
		return "the participants could not publish what was due"
	}
	want := b.expected[index(r.GRO)]
	if off := r.Reference/want - 1; want > 0 && r.Reference > 0 && (off > tolerance || off < -tolerance) {
		return fmt.Sprintf("the machine changed: sending cost %.2f × what it should", r.Reference/want)
	}
	return ""
}
