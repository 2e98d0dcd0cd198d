package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What is read, and when reading ends: after so many events, else at the end that the topics had at the start.
type reading struct {
	*kafka
	topics, registry, key string
	untilCount            int
	timeout               time.Duration
}

// One line of `events`.
type event struct {
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Timestamp int64             `json:"timestamp"` // milliseconds since 1970, as the producer set it
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers"`
	SchemaID  uint32            `json:"schema_id,omitempty"`
	Value     json.RawMessage   `json:"value"`
}

func readingFlags(flags *flag.FlagSet) *reading {
	r := &reading{kafka: kafkaFlags(flags)}
	flags.StringVar(&r.topics, "topics", "", "topics to read from their beginning, with commas between")
	flags.StringVar(&r.registry, "registry", "", "Confluent API of the schema registry, to decode values by")
	flags.StringVar(&r.key, "key", "", "only events with this key")
	flags.IntVar(&r.untilCount, "until-count", 0, "end after so many events (0: at the end that the topics have now)")
	flags.DurationVar(&r.timeout, "timeout", 30*time.Second, "fail when the end is not reached by then")
	return r
}

// Prints one line of JSON for each event.
func events(r *reading) error {
	encoder := json.NewEncoder(os.Stdout)
	return r.each(func(seen event) error { return encoder.Encode(seen) })
}

// Calls with every event until the end; fails when that is not reached in time.
func (r *reading) each(handle func(event) error) error {
	if r.brokers == "" || r.topics == "" {
		return errors.New(usage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	client, err := r.client(
		kgo.ConsumeTopics(strings.Split(r.topics, ",")...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// They take an offset, which may be the last one.
		kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := endOffsets(ctx, client, strings.Split(r.topics, ","))
	if err != nil {
		return err
	}
	decoder := schemasOf(r.registry)
	count := 0
	for !r.ended(count, left) {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("the end was not reached within %s, after %d events", r.timeout, count)
		}
		if failed := fetches.Errors(); len(failed) > 0 {
			return fmt.Errorf("%s/%d: %w", failed[0].Topic, failed[0].Partition, failed[0].Err)
		}
		for records := fetches.RecordIter(); !records.Done() && !r.ended(count, left); {
			record := records.Next()
			left.passed(record)
			if record.Attrs.IsControl() || r.key != "" && r.key != string(record.Key) {
				continue
			}
			seen, err := decoder.event(ctx, record)
			if err != nil {
				return err
			}
			count++
			if err := handle(seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reading) ended(count int, left ends) bool {
	if r.untilCount > 0 {
		return count >= r.untilCount
	}
	return len(left) == 0
}

// Without a registry the value is left out.
func (s *schemas) event(ctx context.Context, record *kgo.Record) (event, error) {
	seen := event{
		Topic: record.Topic, Partition: record.Partition, Offset: record.Offset,
		Timestamp: record.Timestamp.UnixMilli(),
		Key:       string(record.Key), Headers: map[string]string{},
	}
	for _, header := range record.Headers {
		seen.Headers[header.Key] = string(header.Value)
	}
	if s.registry == "" || record.Value == nil {
		return seen, nil
	}
	var err error
	if seen.Value, seen.SchemaID, err = s.decode(ctx, record.Value); err != nil {
		return seen, fmt.Errorf("%s: %w", seen.where(), err)
	}
	return seen, nil
}

func (e event) where() string { return fmt.Sprintf("%s/%d at %d", e.Topic, e.Partition, e.Offset) }

type place struct {
	topic     string
	partition int32
}

// How far reading goes in each partition that is not read to its end yet.
type ends map[place]int64

func (e ends) passed(record *kgo.Record) {
	at := place{record.Topic, record.Partition}
	if record.Offset+1 >= e[at] {
		delete(e, at)
	}
}

func endOffsets(ctx context.Context, client *kgo.Client, topics []string) (ends, error) {
	admin := kadm.NewClient(client)
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, err
	}
	// Committed ones: a transaction that hangs is never read past.
	offsets, err := admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, err
	}
	left := ends{}
	offsets.Each(func(end kadm.ListedOffset) {
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok && start.Offset < end.Offset {
			left[place{end.Topic, end.Partition}] = end.Offset
		}
	})
	return left, nil
}
