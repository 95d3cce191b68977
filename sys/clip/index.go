package clip

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Index lists the files of one recording; it is written beside them as index.json.
type Index struct {
	Meeting string      `json:"meeting"`
	Topic   string      `json:"topic,omitempty"`
	Started time.Time   `json:"started"` // the zero of every file's timeline
	Ended   time.Time   `json:"ended,omitzero"`
	Files   []IndexFile `json:"files"`
}

// IndexFile is one file of a recording.
type IndexFile struct {
	File        string        `json:"file"`
	Participant uint32        `json:"participant"`
	Name        string        `json:"name"`
	Content     bool          `json:"content,omitempty"` // a shared screen, not a camera
	Part        int           `json:"part,omitempty"`    // 2 and up: goes on after a change of codec
	Video       Codec         `json:"video,omitempty"`
	Audio       bool          `json:"audio,omitempty"`
	From        time.Duration `json:"from_ns"` // first frame
	To          time.Duration `json:"to_ns"`   // end of the last frame
}

// WriteIndex writes index.json into dir, whole or not at all.
func WriteIndex(dir string, ix Index) error {
	b, err := json.MarshalIndent(ix, "", "  ")
	if err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	tmp := filepath.Join(dir, ".index.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, "index.json")); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	return nil
}

// ReadIndex reads index.json from dir.
func ReadIndex(dir string) (Index, error) {
	var ix Index
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return ix, fmt.Errorf("reading index: %w", err)
	}
	if err := json.Unmarshal(b, &ix); err != nil {
		return ix, fmt.Errorf("reading index: %w", err)
	}
	return ix, nil
}
