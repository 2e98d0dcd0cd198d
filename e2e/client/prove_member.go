package main

import (
	"crypto/rand"
	"fmt"
	"slices"
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
	life    []act
	id      string
	version int // highest that was acknowledged
	changes int // begun
	unknown int // of them, those that may have taken effect or not
}

// A call about a user. False if nothing more can be asked of that user.
type act func(*member, pool, *ledger) bool

// What becomes of the nth user: of eight one is deleted and returns before it changes, and another one is deleted in the end.
func life(nth, updates int) []act {
	calls := []act{(*member).create}
	if nth%8 == 4 {
		calls = append(calls, (*member).remove, (*member).restore)
	}
	calls = append(calls, slices.Repeat([]act{(*member).update}, updates)...)
	if nth%8 == 0 {
		calls = append(calls, (*member).remove)
	}
	return calls
}

// Makes the next call. False if it was the last one.
func (m *member) act(over pool, l *ledger) bool {
	next := m.life[0]
	m.life = m.life[1:]
	return next(m, over, l) && len(m.life) > 0
}

// Repeats itself under the same request_id until it is answered.
func (m *member) create(over pool, l *ledger) bool {
	email, request := "prove-"+rand.Text()+"@example.com", newUUID()
	giveUp := time.Now().Add(patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		answer, err := call(over.any(), "CreateUser", "Prove 0", email, request)
		if err == nil {
			l.counted("CreateUser")
			return m.answered(field(answer, 2), created, l)
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

// Is not repeated: the next call goes on from whatever state is there. Each gives a name that was not there before,
// since a change that changes nothing makes no event.
func (m *member) update(over pool, l *ledger) bool {
	name := fmt.Sprintf("Prove %d", m.changes+1)
	m.change(over, updated, l, "UpdateUser", message(m.id, name), message("name"))
	return true
}

func (m *member) remove(over pool, l *ledger) bool {
	return m.change(over, deleted, l, "DeleteUser", m.id)
}

func (m *member) restore(over pool, l *ledger) bool {
	return m.change(over, updated, l, "UndeleteUser", m.id)
}

// False if the outcome is not known: whether the user is deleted then, nobody can tell.
func (m *member) change(over pool, tells kind, l *ledger, method string, values ...string) bool {
	m.changes++
	answer, err := call(over.any(), method, values...)
	if err != nil {
		m.unknown++
		l.failed(err, false)
		switch status.Code(err) {
		case codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition:
			l.mismatch(fmt.Errorf("%s of user %s after %d changes, %d of them unknown: %w", method, m.id, m.changes, m.unknown, err))
		}
		return false
	}
	l.counted(method)
	return m.answered(field(answer, 1), tells, l)
}

// Takes the version from the answer: each change that was acknowledged has raised it by one, each other one maybe.
func (m *member) answered(user []byte, tells kind, l *ledger) bool {
	at, id, etag := time.Now(), string(field(user, 1)), string(field(user, 6))
	version, err := versionIn(etag)
	switch {
	case err != nil || id == "" || m.id != "" && m.id != id:
		l.mismatch(fmt.Errorf("answer about user %q: user_id %q, etag %q", m.id, id, etag))
		return false
	case version <= m.version || version < 1+m.changes-m.unknown || version > 1+m.changes:
		l.mismatch(fmt.Errorf("user %s at version %d after %d, %d changes, %d of them unknown", id, version, m.version, m.changes, m.unknown))
	case (tells == deleted) != (field(user, 7) != nil):
		l.mismatch(fmt.Errorf("user %s at version %d, which is to be told by %q, has delete_time %x", id, version, l.topics[tells], field(user, 7)))
	}
	m.id, m.version = id, max(m.version, version)
	l.acknowledged(id, version, tells, at)
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
