package main

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// With one create, over all its attempts: longer than the minute that MongoDB keeps the open transaction of a service
	// that was killed, and its locks.
	patience     = 90 * time.Second
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// One user, whose calls follow each other.
type member struct {
	id      string
	version int // highest that was acknowledged
	updates int // begun
	unknown int // of them, those that may have taken effect or not
}

// Makes the next call. False if the user is not known after it.
func (m *member) act(over pool, l *ledger) bool {
	if m.id == "" {
		return m.create(over, l)
	}
	m.update(over, l)
	return true
}

// Repeats itself under the same request_id until it is answered.
func (m *member) create(over pool, l *ledger) bool {
	email, request := "prove-"+rand.Text()+"@example.com", newUUID()
	giveUp := time.Now().Add(patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		answer, err := call(over.any(), "CreateUser", "Prove 0", email, request)
		if err == nil {
			return m.answered(field(answer, 2), l)
		}
		again := mayGoWell(err) && time.Now().Before(giveUp)
		l.failed(err, again)
		if status.Code(err) == codes.AlreadyExists {
			l.mismatch(fmt.Errorf("CreateUser with a new address: %w", err))
		}
		if !again {
			return false
		}
		time.Sleep(pause)
	}
}

// Is not repeated: the next update goes on from whatever state is there. Each gives a name that was not there before,
// since a change that changes nothing makes no event.
func (m *member) update(over pool, l *ledger) {
	m.updates++
	name := fmt.Sprintf("Prove %d", m.updates)
	answer, err := call(over.any(), "UpdateUser", message(m.id, name), message("name"))
	if err != nil {
		m.unknown++
		l.failed(err, false)
		return
	}
	m.answered(field(answer, 1), l)
}

// Takes the version from the answer: each update that was acknowledged has raised it by one, each other one maybe.
func (m *member) answered(user []byte, l *ledger) bool {
	at, id, etag := time.Now(), string(field(user, 1)), string(field(user, 6))
	version, err := versionIn(etag)
	switch {
	case err != nil || id == "" || m.id != "" && m.id != id:
		l.mismatch(fmt.Errorf("answer about user %q: user_id %q, etag %q", m.id, id, etag))
		return false
	case version <= m.version || version < 1+m.updates-m.unknown || version > 1+m.updates:
		l.mismatch(fmt.Errorf("user %s at version %d after %d, %d updates, %d of them unknown", id, version, m.version, m.updates, m.unknown))
	}
	m.id, m.version = id, max(m.version, version)
	l.acknowledged(id, version, at)
	return true
}

// An etag is the version in quotes.
func versionIn(etag string) (int, error) {
	text, err := strconv.Unquote(etag)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// Whether the failure may be a passing one. The call may have taken effect all the same.
func mayGoWell(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return true
	}
	return false
}

// A random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
