package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// A counter that finds nothing proves nothing: each of these has to be found, and nothing else.
func TestWhatSpeaksAgainstTheServiceIsFound(t *testing.T) {
	type step func(*ledger)
	came := func(topic, key, id string, version int) step {
		return func(l *ledger) {
			if err := l.consumed(eventOf(topic, key, id, version), time.Now()); err != nil {
				l.mismatch(err)
			}
		}
	}
	told := func(key string, version int, tells kind) step {
		return func(l *ledger) { l.acknowledged(key, version, tells, time.Now()) }
	}
	acknowledged := func(key string, version int) step { return told(key, version, min(kind(version-1), updated)) }
	broken := func(damage func(*event)) step {
		seen := eventOf("created", "a", "1", 1)
		damage(&seen)
		return func(l *ledger) {
			if err := l.consumed(seen, time.Now()); err != nil {
				l.mismatch(err)
			}
		}
	}
	for name, given := range map[string]struct {
		steps                        []step
		lost, order, mismatch, twice int
	}{
		"all is well":                 {steps: []step{acknowledged("a", 1), came("created", "a", "1", 1), came("updated", "a", "2", 2), acknowledged("a", 2)}},
		"another user between":        {steps: []step{came("updated", "a", "1", 9), came("updated", "b", "2", 2), acknowledged("b", 2), came("created", "b", "3", 1)}},
		"a repeated one is fine":      {steps: []step{came("updated", "a", "2", 2), came("updated", "a", "3", 3), came("updated", "a", "2", 2), came("updated", "a", "2", 2)}, twice: 1},
		"an event is lost":            {steps: []step{acknowledged("a", 1)}, lost: 1},
		"those in between count":      {steps: []step{came("created", "a", "1", 1), acknowledged("a", 4), came("updated", "a", "4", 4)}, lost: 2},
		"out of order":                {steps: []step{came("updated", "a", "3", 3), came("updated", "a", "2", 2)}, order: 1},
		"one number, two ids":         {steps: []step{came("updated", "a", "2", 2), came("updated", "a", "x", 2)}, order: 1},
		"one id, two events":          {steps: []step{came("updated", "a", "2", 2), came("updated", "a", "2", 3)}, mismatch: 1, twice: 1},
		"in the other topic":          {steps: []step{acknowledged("a", 1), came("updated", "a", "1", 1)}, lost: 1, mismatch: 1},
		"a create that made two":      {steps: []step{came("created", "a", "1", 1), broken(func(e *event) { e.Headers["ce_id"] = "2"; withKey(e, "b") })}, mismatch: 1},
		"the key is another":          {steps: []step{broken(func(e *event) { e.Key = "b" })}, mismatch: 1},
		"the version is another":      {steps: []step{broken(func(e *event) { e.Headers["ce_sequence"] = "2" })}, mismatch: 1},
		"no sequence":                 {steps: []step{broken(func(e *event) { delete(e.Headers, "ce_sequence") })}, mismatch: 1},
		"no id":                       {steps: []step{broken(func(e *event) { delete(e.Headers, "ce_id") })}, mismatch: 1},
		"no value":                    {steps: []step{broken(func(e *event) { e.Value = nil })}, mismatch: 1},
		"a deletion":                  {steps: []step{acknowledged("a", 1), told("a", 2, deleted), came("deleted", "a", "2", 2), came("updated", "a", "3", 3), came("created", "a", "1", 1)}},
		"a deletion is lost":          {steps: []step{told("a", 2, deleted), came("created", "a", "1", 1)}, lost: 1},
		"a deletion out of order":     {steps: []step{came("deleted", "a", "4", 4), came("deleted", "a", "2", 2)}, order: 1},
		"a deletion told as a change": {steps: []step{told("a", 2, deleted), came("updated", "a", "2", 2), came("created", "a", "1", 1)}, mismatch: 1},
		"a change told as a deletion": {steps: []step{came("deleted", "a", "2", 2), came("created", "a", "1", 1), acknowledged("a", 2)}, mismatch: 1},
		"a deletion that names":       {steps: []step{broken(func(e *event) { *e = eventOf("updated", "a", "2", 2); e.Topic = "deleted" })}, mismatch: 1},
		"a change that names nobody":  {steps: []step{broken(func(e *event) { *e = eventOf("deleted", "a", "2", 2); e.Topic = "updated" })}, mismatch: 1},
		"a version like no other":     {steps: []step{came("updated", "a", "1", 1_000_000_000)}, mismatch: 1},
		"a failed call asks for none": {steps: []step{func(l *ledger) { l.failed(status.Error(codes.Unavailable, ""), false) }}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(topics)
			for _, step := range given.steps {
				step(l)
			}
			if l.Behind != given.lost || l.OrderViolations != given.order || l.Mismatches != given.mismatch || l.Repeated != given.twice {
				t.Errorf("%+v", l.outcome)
			}
		})
	}
}

func TestAnAnswerHasToGoOnFromWhatWasAcknowledged(t *testing.T) {
	for _, given := range []struct {
		before member
		etag   string
		wrong  int
	}{
		{member{}, `"1"`, 0},
		{member{}, `"2"`, 1},
		{member{}, `1`, 1},
		{member{id: "a", version: 1, changes: 1}, `"2"`, 0},
		{member{id: "a", version: 1, changes: 1}, `"1"`, 1},
		{member{id: "a", version: 1, changes: 1}, `"3"`, 1},
		{member{id: "a", version: 1, changes: 3, unknown: 2}, `"2"`, 0},
		{member{id: "a", version: 1, changes: 3, unknown: 2}, `"4"`, 0},
		{member{id: "a", version: 1, changes: 3, unknown: 2}, `"5"`, 1},
		{member{id: "b"}, `"1"`, 1},
	} {
		l := newLedger(topics)
		given.before.answered([]byte(message("a", "", "", "", "", given.etag)), updated, l)
		if l.Mismatches != given.wrong {
			t.Errorf("%+v answered %s: %v", given.before, given.etag, l.Findings)
		}
	}
}

func TestAnAnswerHasADeleteTimeIfTheUserWasDeletedAndElseNone(t *testing.T) {
	alive := []byte(message("a", "", "", "", "", `"2"`))
	gone := append(alive[:len(alive):len(alive)], protowire.AppendString(protowire.AppendTag(nil, 7, protowire.BytesType), "at")...)
	for tells, user := range map[kind][]byte{updated: alive, deleted: gone} {
		for asked, wrong := range map[kind]int{tells: 0, updated + deleted - tells: 1} {
			l := newLedger(topics)
			(&member{id: "a", version: 1, changes: 1}).answered(user, asked, l)
			if l.Mismatches != wrong {
				t.Errorf("asked for %d, answered %d: %v", asked, tells, l.Findings)
			}
		}
	}
}

func TestOfEightUsersOneIsDeletedAndAnotherOneReturns(t *testing.T) {
	var lengths []int
	for nth := range 8 {
		lengths = append(lengths, len(life(nth, 2)))
	}
	if !slices.Equal(lengths, []int{4, 3, 3, 3, 5, 3, 3, 3}) {
		t.Error(lengths)
	}
}

func TestOnlyFailuresThatMayPassAreTriedAgain(t *testing.T) {
	for code, want := range map[codes.Code]bool{codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Canceled: true, codes.InvalidArgument: false, codes.Internal: false} {
		if mayGoWell(status.Error(code, "")) != want {
			t.Error(code)
		}
	}
	if mayGoWell(errors.New("something")) {
		t.Error("no status")
	}
}

// A soak goes on to a million events.
func TestAnEventTakesLittleMemory(t *testing.T) {
	const users, versions, most = 20_000, 5, 300
	before := heap()
	l := newLedger(topics)
	for user := range users {
		key := fmt.Sprintf("%036d", user)
		for version := range versions {
			topic, at := topics[min(version, 1)], time.Now()
			l.acknowledged(key, version+1, min(kind(version), updated), at)
			if err := l.consumed(eventOf(topic, key, fmt.Sprintf("%030d-%05d", user, version), version+1), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	taken := heap() - before
	if l.Distinct != users*versions || l.Behind != 0 {
		t.Errorf("%+v", l.outcome)
	}
	t.Logf("%d bytes for each event", taken/(users*versions))
	if taken > most*users*versions {
		t.Errorf("%d bytes for %d events", taken, users*versions)
	}
	runtime.KeepAlive(l)
}

func heap() int {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	return int(now.HeapAlloc)
}

var topics = [kinds]string{"created", "updated", "deleted"}

func eventOf(topic, key, id string, version int) event {
	seen := event{Topic: topic, Headers: map[string]string{"ce_id": id, "ce_sequence": fmt.Sprintf("%020d", version)}}
	has := value{UserID: key, Email: key + "@example.com", Version: fmt.Sprint(version)}
	if topic == topics[deleted] {
		has.Email = ""
	}
	seen.Value, _ = json.Marshal(has)
	seen.Key = key
	return seen
}

// Another user with the same address.
func withKey(e *event, key string) {
	var has value
	_ = json.Unmarshal(e.Value, &has)
	has.UserID, e.Key = key, key
	e.Value, _ = json.Marshal(has)
}
