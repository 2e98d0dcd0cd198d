package main

import (
	"context"
	"net/mail"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"userservice/bench/peer/userv1"
)

const (
	maxNameChars  = 128
	maxEmailBytes = 254
)

type user struct {
	id      uuid.UUID
	name    string
	email   string
	created time.Time
}

// Users by identifier, and their addresses, which are unique regardless of case.
type users struct {
	userv1.UnimplementedUserServiceServer

	mutex  sync.RWMutex
	byID   map[uuid.UUID]user
	emails map[string]uuid.UUID
}

func newUsers() *users {
	return &users{byID: map[uuid.UUID]user{}, emails: map[string]uuid.UUID{}}
}

func (u *users) CreateUser(_ context.Context, request *userv1.CreateUserRequest) (*userv1.CreateUserResponse, error) {
	name, err := parseName(request.GetName())
	if err != nil {
		return nil, err
	}
	email, err := parseEmail(request.GetEmail())
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, status.Error(codes.Internal, "no identifier")
	}
	created := user{id: id, name: name, email: email, created: time.Now().Truncate(time.Millisecond)}
	key := strings.ToLower(email)

	u.mutex.Lock()
	defer u.mutex.Unlock()
	if _, taken := u.emails[key]; taken {
		return nil, status.Error(codes.AlreadyExists, "the e-mail address is taken")
	}
	u.emails[key] = id
	u.byID[id] = created
	return &userv1.CreateUserResponse{UserId: id.String(), User: shown(created)}, nil
}

func (u *users) GetUser(_ context.Context, request *userv1.GetUserRequest) (*userv1.GetUserResponse, error) {
	id, err := uuid.Parse(request.GetUserId())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "user_id must be a UUID")
	}
	u.mutex.RLock()
	found, ok := u.byID[id]
	u.mutex.RUnlock()
	if !ok {
		return nil, status.Error(codes.NotFound, "there is no such user")
	}
	return &userv1.GetUserResponse{User: shown(found)}, nil
}

func shown(u user) *userv1.User {
	created := timestamppb.New(u.created)
	return &userv1.User{
		UserId: u.id.String(), Name: u.name, Email: u.email, CreateTime: created, UpdateTime: created, Etag: `"1"`,
	}
}

func parseName(typed string) (string, error) {
	name := norm.NFC.String(strings.TrimSpace(typed))
	if length := utf8.RuneCountInString(name); length == 0 || length > maxNameChars {
		return "", status.Errorf(codes.InvalidArgument, "name must have 1 to %d characters", maxNameChars)
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", status.Error(codes.InvalidArgument, "name must not contain control characters")
	}
	return name, nil
}

func parseEmail(typed string) (string, error) {
	email := norm.NFC.String(strings.TrimSpace(typed))
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > maxEmailBytes {
		return "", status.Error(codes.InvalidArgument, "email must be an e-mail address")
	}
	return email, nil
}
