"""A client of the user service in Python, as a developer would write it."""

import sys

import grpc

from user.v1 import user_pb2, user_pb2_grpc


def main(address):
    with grpc.insecure_channel(address) as channel:
        users = user_pb2_grpc.UserServiceStub(channel)
        asked = user_pb2.CreateUserRequest(name="Ada", email="python@example.com")
        created = users.CreateUser(asked, timeout=20)
        found = users.GetUser(user_pb2.GetUserRequest(user_id=created.user_id), timeout=20)
        assert found.user == created.user, (found, created)
        try:
            users.GetUser(user_pb2.GetUserRequest(user_id="nobody"), timeout=20)
            raise AssertionError("nobody was found")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error


main(sys.argv[1])
