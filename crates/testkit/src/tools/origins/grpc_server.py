"""A gRPC server whose messages are bytes: no protobuf, no generated code."""

import sys
from concurrent import futures

import grpc


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata([("x-initial", "i")])
    context.set_trailing_metadata([("x-trailing", metadata.get("x-asked", "none")), ("x-raw-bin", b"\0\xff")])
    return request[::-1]


def server_stream(request, _):
    for at in range(int(request)):
        yield b"%d" % at * 1000


def client_stream(requests, _):
    count, length = 0, 0
    for request in requests:
        count += 1
        length += len(request)
    return b"%d of %d" % (count, length)


def both(requests, _):
    for request in requests:
        yield b"echo " + request


def fail(_, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100 % sure")


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
}
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"plain={port} ready", flush=True)
sys.stdin.read()
server.stop(None)
