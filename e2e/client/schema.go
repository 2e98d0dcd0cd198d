package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const maxDepth = 16 // of a message in messages

// Decodes values by nothing but their frame and the schemas that a registry has, as a consumer of another team would.
type schemas struct {
	registry string // its Confluent API
	known    map[uint32]protoreflect.FileDescriptor
}

func schemasOf(registry string) *schemas {
	return &schemas{registry, map[uint32]protoreflect.FileDescriptor{}}
}

// What the registry did not give; it may do so later.
var errRegistry = errors.New("the registry")

// A schema as the registry's API gives it.
type source struct {
	Type       string `json:"schemaType"`
	Schema     string `json:"schema"`
	References []struct {
		Name    string `json:"name"`
		Subject string `json:"subject"`
		Version int    `json:"version"`
	} `json:"references"`
}

// The value as JSON, and the id of its schema.
func (s *schemas) decode(ctx context.Context, value []byte) (json.RawMessage, uint32, error) {
	id, path, payload, err := unframe(value)
	if err != nil {
		return nil, 0, err
	}
	file, err := s.file(ctx, id)
	if err != nil {
		return nil, id, fmt.Errorf("schema %d: %w", id, err)
	}
	descriptor, err := messageAt(file, path)
	if err != nil {
		return nil, id, fmt.Errorf("schema %d: %w", id, err)
	}
	message := dynamicpb.NewMessage(descriptor)
	if err := proto.Unmarshal(payload, message); err != nil {
		return nil, id, fmt.Errorf("%s: %w", descriptor.FullName(), err)
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	return text, id, err
}

// Takes Confluent's frame apart: a zero, the schema's id, the path of indexes to the message in its file, the message.
func unframe(value []byte) (id uint32, path []int, payload []byte, err error) {
	if len(value) < 6 || value[0] != 0 {
		return 0, nil, nil, errors.New("no Confluent frame")
	}
	id, rest := binary.BigEndian.Uint32(value[1:]), value[5:]
	next := func() int64 {
		number, length := binary.Varint(rest) // zig-zag
		if length <= 0 {
			err = errors.New("the frame's message indexes are cut off")
			return 0
		}
		rest = rest[length:]
		return number
	}
	count := next()
	if count < 0 || count > maxDepth {
		return 0, nil, nil, fmt.Errorf("%d message indexes in the frame", count)
	}
	for range count {
		path = append(path, int(next()))
	}
	if count == 0 { // short for the first message
		path = []int{0}
	}
	return id, path, rest, err
}

func messageAt(file protoreflect.FileDescriptor, path []int) (protoreflect.MessageDescriptor, error) {
	var found protoreflect.MessageDescriptor
	messages := file.Messages()
	for _, index := range path {
		if index < 0 || index >= messages.Len() {
			return nil, fmt.Errorf("it has no message at %v", path)
		}
		found = messages.Get(index)
		messages = found.Messages()
	}
	return found, nil
}

func (s *schemas) file(ctx context.Context, id uint32) (protoreflect.FileDescriptor, error) {
	if file, ok := s.known[id]; ok {
		return file, nil
	}
	const main = "schema.proto"
	sources := map[string]string{}
	if err := s.collect(ctx, main, fmt.Sprintf("/schemas/ids/%d", id), sources); err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(sources),
	})}
	files, err := compiler.Compile(ctx, main)
	if err != nil {
		return nil, err
	}
	s.known[id] = files[0]
	return files[0], nil
}

// Adds a schema and those that it refers to, by the names that they are imported by.
func (s *schemas) collect(ctx context.Context, name, path string, sources map[string]string) error {
	var found source
	if err := s.get(ctx, path, &found); err != nil {
		return err
	}
	if found.Type != "PROTOBUF" {
		return fmt.Errorf("%s is %q and not PROTOBUF", path, found.Type)
	}
	sources[name] = found.Schema
	for _, reference := range found.References {
		if _, ok := sources[reference.Name]; ok {
			continue
		}
		path := fmt.Sprintf("/subjects/%s/versions/%d", url.PathEscape(reference.Subject), reference.Version)
		if err := s.collect(ctx, reference.Name, path, sources); err != nil {
			return err
		}
	}
	return nil
}

func (s *schemas) get(ctx context.Context, path string, into any) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", errRegistry, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.registry+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	return json.Unmarshal(body, into)
}
