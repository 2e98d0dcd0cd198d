package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func frame(id uint32, path []int, payload []byte) []byte {
	framed := binary.BigEndian.AppendUint32([]byte{0}, id)
	framed = binary.AppendVarint(framed, int64(len(path)))
	for _, index := range path {
		framed = binary.AppendVarint(framed, int64(index))
	}
	return append(framed, payload...)
}

func TestTheFirstMessageHasAShortFrame(t *testing.T) {
	id, path, payload, err := unframe([]byte{0, 1, 2, 3, 4, 0, 7})
	if err != nil || id != 0x01020304 || len(path) != 1 || path[0] != 0 || !bytes.Equal(payload, []byte{7}) {
		t.Fatal(id, path, payload, err)
	}
}

// Whatever is taken for a frame says what it would be framed as, and nothing makes it panic.
func FuzzUnframe(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 3, 4, 0, 7})
	f.Add(frame(1, []int{2, 0}, []byte("payload")))
	f.Add(frame(1, []int{-1}, nil))
	f.Add(frame(1, make([]int, maxDepth+1), nil))
	f.Add([]byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, value []byte) {
		id, path, payload, err := unframe(value)
		if err != nil {
			return
		}
		if len(path) == 0 || len(path) > maxDepth || !bytes.HasSuffix(value, payload) {
			t.Fatal(path, payload)
		}
		id2, path2, payload2, err := unframe(frame(id, path, payload))
		if err != nil || id2 != id || len(path2) != len(path) || !bytes.Equal(payload2, payload) {
			t.Fatal(id2, path2, payload2, err)
		}
		for at := range path {
			if path2[at] != path[at] {
				t.Fatal(path2, path)
			}
		}
	})
}
