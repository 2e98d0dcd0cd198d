package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	askTimeout       = 30 * time.Second // for offsets
	registryPatience = 30               // seconds without a schema, over the whole run
)

// Reads what comes into the topics from now on.
type reader struct {
	client     *kgo.Client
	decoder    *schemas
	ledger     *ledger
	patience   int
	stop       func()
	dead       []string
	deadBefore int64
}

// Begins to read. Whatever is published after this returns is seen.
func (p *proof) follow(l *ledger) (*reader, error) {
	asking, err := p.client()
	if err != nil {
		return nil, err
	}
	defer asking.Close()
	r := &reader{decoder: schemasOf(p.registry), ledger: l, patience: registryPatience}
	if p.deadLetters != "" {
		r.dead = strings.Split(p.deadLetters, ",")
	}
	ends, err := endsOf(asking, l.topics[:])
	if err != nil {
		return nil, err
	}
	if r.deadBefore, err = countOf(asking, r.dead); err != nil {
		return nil, err
	}
	if r.client, err = p.client(kgo.ConsumePartitions(ends.KOffsets())); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { r.read(ctx) })
	r.stop = sync.OnceFunc(func() {
		cancel()
		reading.Wait()
		r.client.Close()
	})
	return r, nil
}

func (r *reader) close() { r.stop() }

func (r *reader) read(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		// The client goes on by itself; what it missed for good is missed in the ledger.
		for _, failed := range fetches.Errors() {
			r.ledger.remark(fmt.Errorf("%s/%d: %w", failed.Topic, failed.Partition, failed.Err))
			time.Sleep(100 * time.Millisecond)
		}
		fetches.EachRecord(func(record *kgo.Record) { r.take(ctx, record) })
	}
}

// A registry that does not answer, or has forgotten a schema, is asked again for a while.
func (r *reader) take(ctx context.Context, record *kgo.Record) {
	at := time.Now()
	r.ledger.arrived()
	seen, err := r.decoder.event(ctx, record)
	for ; errors.Is(err, errRegistry) && r.patience > 0 && ctx.Err() == nil; r.patience-- {
		time.Sleep(time.Second)
		seen, err = r.decoder.event(ctx, record)
	}
	if err == nil {
		err = r.ledger.consumed(seen, at)
	}
	if err != nil && ctx.Err() == nil {
		r.ledger.mismatch(err)
	}
}

// How many records came into the topics for dead letters.
func (r *reader) deadLetters() (int64, error) {
	now, err := countOf(r.client, r.dead)
	return now - r.deadBefore, err
}

func endsOf(client *kgo.Client, topics []string) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	return ends, errors.Join(err, ends.Error())
}

// Records that ever came into the topics.
func countOf(client *kgo.Client, topics []string) (count int64, err error) {
	if len(topics) == 0 { // which would be all
		return 0, nil
	}
	ends, err := endsOf(client, topics)
	ends.Each(func(end kadm.ListedOffset) { count += end.Offset })
	return count, err
}
